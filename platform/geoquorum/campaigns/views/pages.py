"""Pages that list, make and run campaigns."""

import functools
from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation import consensus as methods_of
from annotation import question as questions
from fusion.errors import GeoquorumError
from geoquorum.accounts.current import current_project, projects_in_view
from geoquorum.accounts.models import Project, Role, User
from geoquorum.accounts.services import has_role, projects_of, require_role
from geoquorum.campaigns import access, services
from geoquorum.campaigns.forms import CampaignForm
from geoquorum.campaigns.models import Campaign, CampaignState, ConsensusRun
from geoquorum.campaigns.policy_words import describe_policy
from geoquorum.campaigns.services.withheld import is_withheld
from geoquorum.campaigns.views.runs import entitle

CURATING = (Role.CURATOR, Role.ADMIN)


@login_required
@require_GET
def list_campaigns(request: HttpRequest) -> HttpResponse:
    """What is open for me, and for curators how far each campaign is."""
    curated = curated_projects(request.user)
    rows = [_row(campaign, request.user) for campaign in _visible(request, curated)]
    context = {
        "open": [row for row in rows if row["campaign"].state == CampaignState.OPEN],
        "others": [row for row in rows if row["campaign"].state != CampaignState.OPEN],
        "is_curator": curated.exists(),
    }
    return render(request, "campaigns/list.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def make_campaign(request: HttpRequest) -> HttpResponse:
    """A form from question, classes, regions and votes wanted to a draft; `?project=slug` chooses the project."""
    project = _project_for_new(request)
    require_role(user=request.user, project=project, minimum=Role.CURATOR)
    form = CampaignForm(request.POST or None, project=project, initial={"question": "lcz_patch", "scheme": "lcz17"})
    if request.method == "POST" and form.is_valid():
        fields = {name: form.cleaned_data[name] for name in ("name", "question", "scheme", "samples", "guide")}
        policy = form.policy()
        campaign = services.create_campaign(
            project=project, by=request.user, quota=form.cleaned_data["quota"], policy=policy, **fields
        )
        return redirect("campaigns:campaign", campaign.pk)
    return render(request, "campaigns/new.html", {"form": form, "project": project})


@login_required
@require_GET
def show_campaign(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """State, guide, own progress; for curators the progress of all and the buttons to open and close."""
    campaign, member = access.find_campaign(user=request.user, campaign_id=campaign_id)
    round = services.current_round(campaign=campaign)
    is_curator = member.role in CURATING
    context = {
        "campaign": campaign,
        "round": round,
        "question": questions.find(campaign.question),
        "scheme": services.scheme_of(campaign),
        "own": services.count_own(round=round, expert=access.known_as(user=request.user, campaign=campaign)),
        "is_curator": is_curator,
        "progress": services.count_progress(round=round) if is_curator else None,
        "runs": [] if is_withheld(campaign=campaign, role=member.role) else _runs(campaign, is_curator),
        "methods": [kind for kind in methods_of.load_all().values() if kind.answer_kind == "class"],
        "policy": describe_policy(campaign, round),
        "unblindings": services.list_unblindings(campaign=campaign) if is_curator else [],
    }
    return render(request, "campaigns/campaign.html", context)


@login_required
@require_POST
def open_campaign(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Let experts in."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    return _change(request, campaign, services.open_campaign, _("Open: experts of the project can vote now."))


@login_required
@require_POST
def close_campaign(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Freeze the votes and start the consensus."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    return _change(request, campaign, services.close_campaign, _("Closed: the votes are final."))


@login_required
@require_POST
def unblind_campaign(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Let curators look before the close, with a reason; the campaign carries the mark from then on."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    reason = request.POST.get("reason", "")
    service = functools.partial(services.unblind_campaign, reason=reason)
    return _change(request, campaign, service, _("Unblinded: this campaign is marked, and so is what comes of it."))


@login_required
@require_POST
def start_consensus(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """One more run by a method of the curator's choice; earlier runs stay."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    method = request.POST.get("method", "")
    return _change(request, campaign, functools.partial(_start, method=method), _("The run has been queued."))


def curated_projects(user: User) -> QuerySet[Project]:
    """Projects in which this person may run campaigns."""
    return Project.objects.filter(memberships__user=user, memberships__role__in=CURATING).order_by("name")


def _change(request: HttpRequest, campaign: Campaign, service: Callable[..., Campaign], done: str) -> HttpResponse:
    try:
        service(campaign=campaign, by=request.user)
        messages.success(request, done)
    except GeoquorumError as error:
        messages.error(request, str(error))
    return redirect("campaigns:campaign", campaign.pk)


def _start(*, campaign: Campaign, by: User, method: str) -> Campaign:
    services.start_consensus(round=services.current_round(campaign=campaign), methods=[method], by=by)
    return campaign


def _visible(request: HttpRequest, curated: QuerySet[Project]) -> QuerySet[Campaign]:
    """Campaigns of the projects in view; drafts only for those who may open them."""
    seen = Campaign.objects.filter(project__in=projects_in_view(request)).select_related("project")
    return seen.filter(~Q(state=CampaignState.DRAFT) | Q(project__in=curated)).order_by("-pk")


def _row(campaign: Campaign, user: User) -> dict[str, object]:
    """One campaign of the list."""
    round = services.current_round(campaign=campaign)
    is_curator = has_role(user=user, project=campaign.project, minimum=Role.CURATOR)
    own = services.count_own(round=round, expert=access.known_as(user=user, campaign=campaign))
    progress = services.count_progress(round=round) if is_curator else None
    return {"campaign": campaign, "own": own, "is_curator": is_curator, "progress": progress}


def _runs(campaign: Campaign, is_curator: bool) -> list[ConsensusRun]:
    """Consensus runs with their jobs, the latest first; before the close only what a curator unblinded."""
    runs = ConsensusRun.objects.filter(campaign=campaign).select_related("job", "round")
    is_seen = campaign.state == CampaignState.CLOSED or (is_curator and campaign.unblinded_at is not None)
    return [entitle(run) for run in runs.order_by("-pk")] if is_seen else []


def _project_for_new(request: HttpRequest) -> Project:
    """The project named in the address, else the chosen one, else the first one curated."""
    if slug := request.GET.get("project"):
        return get_object_or_404(projects_of(request.user), slug=slug)
    project = current_project(request) or curated_projects(request.user).first()
    if project is None:
        raise Http404
    return project
