"""Files of a campaign: votes of other tools in, votes, samples and labels out. For curators."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from fusion.errors import GeoquorumError
from geoquorum.accounts.models import Expert, Role
from geoquorum.campaigns import access, services
from geoquorum.campaigns.models import Campaign, CampaignState
from geoquorum.campaigns.services.exports import MEDIA_TYPES
from geoquorum.campaigns.services.vote_files import COLUMNS, import_vote_file
from geoquorum.campaigns.views.runs import latest_runs
from geoquorum.uploads import keep_upload, tell_trouble

KINDS = {
    Expert.Kind.PERSON: gettext_lazy("people, by their pseudonyms"),
    Expert.Kind.SIMULATED: gettext_lazy("simulated experts"),
    Expert.Kind.MODEL: gettext_lazy("a model"),
}


class VotesForm(forms.Form):
    """Votes of another tool, or of a model."""

    file = forms.FileField(
        label=gettext_lazy("Votes (.csv, .parquet, or a Label Studio export: .json)"), max_length=200
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Who voted"),
        choices=list(KINDS.items()),
        help_text=gettext_lazy("Votes of simulated experts and of models are marked wherever they count."),
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def show_files(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The form for votes and the links to what can be taken out; a refused file is told by line, nothing is stored."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    if request.method != "POST":
        return _render(request, campaign, form=VotesForm())
    form = VotesForm(request.POST, request.FILES)
    if not form.is_valid():
        return _render(request, campaign, form=form, status=400)
    try:
        with keep_upload(form.cleaned_data["file"]) as path:
            round = services.current_round(campaign=campaign)
            kind = form.cleaned_data["kind"]
            count = import_vote_file(round=round, path=path, by=request.user, kind=kind, is_upload=True)
    except GeoquorumError as error:
        return _render(request, campaign, form=form, trouble=tell_trouble(error), status=400)
    messages.success(request, ngettext("%(n)s vote was taken.", "%(n)s votes were taken.", count) % {"n": count})
    return redirect("campaigns:files", campaign.pk)


def _render(request: HttpRequest, campaign: Campaign, *, status: int = 200, **shown: Any) -> HttpResponse:
    may_see_votes = campaign.state == CampaignState.CLOSED or campaign.unblinded_at is not None
    context = {
        "campaign": campaign,
        "is_open": campaign.state == CampaignState.OPEN,
        "may_see_votes": may_see_votes,
        "runs": latest_runs(campaign) if may_see_votes else [],
        "columns": list(COLUMNS),
        "forms": list(MEDIA_TYPES),
    }
    return render(request, "campaigns/files.html", context | shown, status=status)
