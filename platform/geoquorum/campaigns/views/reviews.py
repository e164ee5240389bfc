"""From a consensus to a review of it: is each label right, yes or no?"""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from geoquorum.accounts.models import Role
from geoquorum.accounts.services import require_role
from geoquorum.campaigns import access, services
from geoquorum.campaigns.services import RefusedError

VOTES = 3  # wanted of each sample; the draft's page says so


@login_required
@require_POST
def start_review(request: HttpRequest, campaign_id: int, run_id: int) -> HttpResponse:
    """A draft of a yes-or-no review that proposes this consensus run's labels."""
    run, _member = access.find_run(user=request.user, campaign_id=campaign_id, run_id=run_id)
    require_role(user=request.user, project=run.campaign.project, minimum=Role.CURATOR)
    try:
        review = services.create_review(
            project=run.campaign.project,
            name=_("Review of %s") % run.campaign.name[:100],
            proposals=services.read_proposals(run),
            quota=VOTES,
            by=request.user,
        )
    except RefusedError as error:
        messages.error(request, str(error))
        return redirect("campaigns:consensus", campaign_id)
    messages.success(request, _("A draft of a review has been made. Open it to take votes."))
    return redirect("campaigns:campaign", review.pk)
