"""The first page after signing in: what is open for me, and what happened. It may look into every app."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from geoquorum.accounts.current import projects_in_view
from geoquorum.accounts.models import Expert, Project, User
from geoquorum.campaigns.models import Campaign, CampaignState
from geoquorum.campaigns.services.lifecycle import current_round
from geoquorum.campaigns.services.progress import OwnProgress, count_own
from geoquorum.releases.models import DatasetVersion
from geoquorum.training.models import Run

RECENT = 5


@dataclass(frozen=True, kw_only=True)
class OpenCampaign:
    """A campaign one may vote in, and how far one is."""

    campaign: Campaign
    progress: OwnProgress

    @property
    def left(self) -> int:
        return self.progress.total - self.progress.done


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
    """One's own progress; nobody gets a pseudonym by looking."""
    expert = Expert.objects.filter(project=campaign.project, user=user).first()
    progress = count_own(round=current_round(campaign=campaign), expert=expert)
    return OpenCampaign(campaign=campaign, progress=progress)
