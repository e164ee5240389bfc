"""The first page after signing in: what is open for me, and what happened. It may look into every app."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from geoquorum.accounts.current import projects_in_view
from geoquorum.accounts.models import Project, User
from geoquorum.campaigns.models import Assignment, Campaign, CampaignState, RoundSample
from geoquorum.releases.models import DatasetVersion
from geoquorum.training.models import Run

RECENT = 5


@dataclass(frozen=True, kw_only=True)
class OpenCampaign:
    """A campaign one may vote in: how many samples one has answered or skipped, and how many still want a vote."""

    campaign: Campaign
    done: int
    left: int

    @property
    def total(self) -> int:
        return self.done + self.left


@login_required
@require_safe
def show_home(request: HttpRequest) -> HttpResponse:
    """Open campaigns with one Continue, recent releases and runs."""
    projects = projects_in_view(request)
    campaigns = [count_work(campaign, request.user) for campaign in list_open(projects)]
    context = {
        "campaigns": campaigns,
        "next": next((one for one in campaigns if one.left), None),
        "versions": DatasetVersion.objects.filter(project__in=projects)
        .select_related("project")
        .order_by("-id")[:RECENT],
        "runs": Run.objects.filter(project__in=projects).select_related("project", "version").order_by("-id")[:RECENT],
        "closed": Campaign.objects.filter(project__in=projects, state=CampaignState.CLOSED)
        .select_related("project")
        .order_by("-closed_at")[:RECENT],
        "has_projects": projects.exists(),
    }
    return render(request, "home.html", context)


def list_open(projects: QuerySet[Project]) -> QuerySet[Campaign]:
    """Open campaigns, the newest first."""
    return (
        Campaign.objects.filter(project__in=projects, state=CampaignState.OPEN)
        .select_related("project")
        .order_by("-id")
    )


def count_work(campaign: Campaign, user: User) -> OpenCampaign:
    """One's own progress in the rounds that are open; samples that others have filled are not left for one."""
    mine = Assignment.objects.filter(expert__user=user, round__campaign=campaign, round__closed_at=None)
    done = mine.exclude(state=Assignment.State.CLAIMED).count()
    return OpenCampaign(campaign=campaign, done=done, left=count_left(campaign, user))


def count_left(campaign: Campaign, user: User) -> int:
    """Samples of open rounds that still want a vote and that this person has neither answered nor skipped."""
    mine = Assignment.objects.filter(round=OuterRef("round"), sample=OuterRef("sample"), expert__user=user)
    is_claimed = Exists(mine.filter(state=Assignment.State.CLAIMED))
    is_over = Exists(mine.exclude(state=Assignment.State.CLAIMED))
    waiting = RoundSample.objects.filter(round__campaign=campaign, round__closed_at=None, settled_at=None)
    return waiting.filter(~is_over).filter(Q(slots_taken__lt=F("round__quota")) | is_claimed).count()
