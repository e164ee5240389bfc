"""The curators' page of known answers: what there is, adding from three sources, removing before use."""

from collections import Counter
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from annotation import question as questions
from geoquorum.accounts.models import Role
from geoquorum.campaigns import access
from geoquorum.campaigns.models import Campaign, CampaignState, Gold
from geoquorum.campaigns.services import scheme_of
from geoquorum.campaigns.services.gold import (
    MOST_BYTES,
    add_gold,
    choose_gold,
    is_used,
    read_gold,
    remove_gold,
    take_over_adjudicated,
)
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.catalog.models import Reference

PER_PAGE = 50
USE = gettext_lazy("Use")


class ReferencesForm(forms.Form):
    """Gold from the references of one source."""

    source = forms.ChoiceField(label=gettext_lazy("Source"))
    per_class = forms.IntegerField(label=gettext_lazy("Samples per class"), min_value=1, max_value=500, initial=2)
    use = forms.ChoiceField(label=USE, choices=Gold.Use.choices)

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = Reference.objects.filter(scheme=campaign.scheme, sample__project=campaign.project_id)
        sources = sorted(set(known.values_list("source", flat=True)))
        self.fields["source"].choices = [(name, name) for name in sources]


class FileForm(forms.Form):
    """Gold from a CSV file."""

    file = forms.FileField(label=gettext_lazy("CSV file"), max_length=200)
    use = forms.ChoiceField(label=gettext_lazy("Use, where the file does not say"), choices=Gold.Use.choices)


class UseForm(forms.Form):
    """Gold from what was adjudicated."""

    use = forms.ChoiceField(label=USE, choices=Gold.Use.choices)


@login_required
@require_GET
def show_gold(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Known answers by class and use, and the forms that add more; `?page=` by page."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    return _render(request, campaign)


@login_required
@require_POST
def choose(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """So many samples of each class from one source of references."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    form = ReferencesForm(request.POST, campaign=campaign)
    if not form.is_valid():
        return _render(request, campaign, references=form, status=400)
    return _add(request, campaign, lambda: choose_gold(campaign=campaign, by=request.user, **form.cleaned_data))


@login_required
@require_POST
def upload(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """A CSV file, all of it or nothing."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    form = FileForm(request.POST, request.FILES)
    if not form.is_valid():
        return _render(request, campaign, file=form, status=400)

    def add() -> int:
        name, content = form.cleaned_data["file"].name, form.cleaned_data["file"].read(MOST_BYTES + 1)
        rows = read_gold(campaign=campaign, content=content, use=form.cleaned_data["use"], name=name)
        return add_gold(campaign=campaign, rows=rows, source=name, by=request.user)

    return _add(request, campaign, add)


@login_required
@require_POST
def take_over(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """What curators decided about samples of this project."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    form = UseForm(request.POST)
    if not form.is_valid():
        return _render(request, campaign, adjudicated=form, status=400)
    use = form.cleaned_data["use"]
    return _add(request, campaign, lambda: take_over_adjudicated(campaign=campaign, use=use, by=request.user))


@login_required
@require_POST
def remove(request: HttpRequest, campaign_id: int, gold_id: int) -> HttpResponse:
    """Take one back that nobody has met."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    gold = get_object_or_404(Gold, pk=gold_id, campaign=campaign)
    try:
        remove_gold(gold=gold, by=request.user)
        messages.success(request, _("Removed."))
    except RefusedError as error:
        messages.error(request, str(error))
    return redirect("campaigns:gold", campaign.pk)


def _add(request: HttpRequest, campaign: Campaign, service: Any) -> HttpResponse:
    try:
        count = service()
        messages.success(request, _("%(count)s known answers added.") % {"count": count})
    except RefusedError as error:
        messages.error(request, str(error))
    return redirect("campaigns:gold", campaign.pk)


def _render(request: HttpRequest, campaign: Campaign, *, status: int = 200, **bound: forms.Form) -> HttpResponse:
    scheme = scheme_of(campaign)
    gold = list(Gold.objects.filter(campaign=campaign).select_related("sample__region"))
    gold.sort(key=lambda one: (one.use != Gold.Use.QUALIFY, scheme.index(one.code), one.pk))
    page = Paginator(gold, PER_PAGE).get_page(request.GET.get("page"))
    for one in page:
        one.named = scheme.find(one.code)
        one.is_met = is_used(one)
    counts: Counter[tuple[str, str]] = Counter((one.use, one.code) for one in gold)
    context = {
        "campaign": campaign,
        "scheme": scheme,
        "question": questions.find(campaign.question),
        "page": page,
        "total": sum(counts.values()),
        "uses": [_sum_use(use, title, counts) for use, title in Gold.Use.choices],
        "wanted": (campaign.policy.get("qualification") or {}).get("samples"),
        "gold_share": campaign.policy.get("gold_share") or 0,
        "is_closed": campaign.state == CampaignState.CLOSED,
        "references": ReferencesForm(campaign=campaign),
        "file": FileForm(),
        "adjudicated": UseForm(initial={"use": Gold.Use.MONITOR}),
    }
    return render(request, "campaigns/gold.html", context | bound, status=status)


def _sum_use(use: str, title: str, counts: Counter[tuple[str, str]]) -> dict[str, Any]:
    values = {code: count for (of, code), count in counts.items() if of == use}
    return {"use": use, "title": title, "values": values, "total": sum(values.values())}
