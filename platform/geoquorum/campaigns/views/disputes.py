"""The queue of disputed samples, the page of one sample, its thread, and what a curator decides."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from geoquorum.accounts.models import Role
from geoquorum.accounts.services import expert_of
from geoquorum.campaigns import access
from geoquorum.campaigns.models import Campaign, CampaignState, Comment, ConsensusRun, Thread
from geoquorum.campaigns.sample_pictures import list_thumbs
from geoquorum.campaigns.sample_words import describe_sample, is_open_to
from geoquorum.campaigns.services import disputes
from geoquorum.campaigns.services.adjudication import adjudicate as decide
from geoquorum.campaigns.services.adjudication import latest_decisions
from geoquorum.campaigns.services.agreement import find_agreement
from geoquorum.campaigns.services.declaring import scheme_of
from geoquorum.campaigns.services.disputes import Queue
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.campaigns.services.second_round import start_second_round
from geoquorum.campaigns.services.withheld import is_withheld
from geoquorum.campaigns.views.runs import choose_run, latest_runs
from geoquorum.campaigns.vote_bars import draw_votes
from geoquorum.catalog.models import Sample

PER_PAGE = 20
THRESHOLDS = ("0.4", "0.5", "0.6", "0.75", "0.9")
CURATING = (Role.CURATOR, Role.ADMIN)
AMBIGUOUS = "-ambiguous-"  # what the form sends in place of a code


@login_required
@require_GET
def show_disputes(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """After the close the samples in question, `?below=` that probability; before, the discussions one may read."""
    campaign, member = access.find_campaign(user=request.user, campaign_id=campaign_id)
    is_curator = member.role in CURATING
    context: dict[str, Any] = {"campaign": campaign, "is_curator": is_curator}
    if campaign.state != CampaignState.CLOSED:
        context["threads"] = _list_threads(request, campaign)
        return render(request, "campaigns/disputes.html", context)
    access.refuse_withheld(campaign, member)
    run = choose_run(request, campaign, latest_runs(campaign))
    context |= {"run": run, "runs": latest_runs(campaign)}
    return render(request, "campaigns/disputes.html", context | (_list_queue(request, run) if run else {}))


@login_required
@require_GET
def show_sample(request: HttpRequest, campaign_id: int, sample_id: int) -> HttpResponse:
    """One sample: pictures and thread; after the close also its votes, its posterior and what a curator decided."""
    campaign, member = access.find_campaign(user=request.user, campaign_id=campaign_id)
    sample = _find_sample(campaign, sample_id)
    if not is_open_to(request.user, campaign, sample):
        raise Http404
    is_seen = campaign.state == CampaignState.CLOSED and not is_withheld(campaign=campaign, role=member.role)
    run = choose_run(request, campaign, latest_runs(campaign)) if is_seen else None
    context = describe_sample(campaign, sample, run, user=request.user, is_curator=member.role in CURATING)
    if run is not None:
        context |= _walk(request, run, sample)
    return render(request, "campaigns/sample.html", context)


@login_required
@require_POST
def raise_sample(request: HttpRequest, campaign_id: int, sample_id: int) -> HttpResponseBase:
    """Open a discussion after one's own vote; the vote page asks as a program and is answered as one."""
    campaign, sample = _find(request, campaign_id, sample_id)
    expert = expert_of(user=request.user, project=campaign.project)
    try:
        text = request.POST.get("text", "")
        thread = disputes.raise_sample(campaign=campaign, sample=sample, expert=expert, by=request.user, text=text)
    except RefusedError as error:
        return _refuse(request, error)
    address = _address(campaign, sample)
    if request.content_type == "application/json":
        return JsonResponse({"thread": thread.pk, "url": address}, headers={"Cache-Control": "no-store"})
    return redirect(address)


@login_required
@require_POST
def post_comment(request: HttpRequest, campaign_id: int, sample_id: int) -> HttpResponseBase:
    """A comment in the sample's thread."""
    campaign, sample = _find(request, campaign_id, sample_id)
    expert = expert_of(user=request.user, project=campaign.project)
    words = {"text": request.POST.get("text", ""), "expert": expert, "by": request.user}
    return _act(request, campaign, sample, lambda: disputes.post_comment(campaign=campaign, sample=sample, **words), "")


@login_required
@require_POST
def erase_comment(request: HttpRequest, campaign_id: int, sample_id: int, comment_id: int) -> HttpResponseBase:
    """Empty a comment: one's own, or as a curator another's with a reason."""
    campaign, sample = _find(request, campaign_id, sample_id)
    if not is_open_to(request.user, campaign, sample):
        raise Http404
    found = Comment.objects.select_related("campaign__project", "expert")
    comment = get_object_or_404(found, pk=comment_id, campaign=campaign, sample=sample)
    reason = request.POST.get("reason", "")
    done = _("Erased: the words are gone, that there were some stays.")
    return _act(
        request, campaign, sample, lambda: disputes.erase_comment(comment=comment, by=request.user, reason=reason), done
    )


@login_required
@require_POST
def adjudicate(request: HttpRequest, campaign_id: int, sample_id: int) -> HttpResponseBase:
    """A label with a reason, or AMBIGUOUS with a reason."""
    campaign, sample = _find(request, campaign_id, sample_id, minimum=Role.CURATOR)
    asked = campaign.rounds.filter(round_samples__sample=sample, purpose__in=disputes.MAIN).order_by("-number").first()
    if asked is None:
        raise Http404
    asked.campaign = campaign
    code, reason = request.POST.get("code", ""), request.POST.get("reason", "")

    def store() -> None:
        if not code:
            raise RefusedError("Choose a label, or say that the sample is ambiguous.", status=400)
        kept = "" if code == AMBIGUOUS else code
        decide(round=asked, sample=sample, by=request.user, code=kept, reason=reason)

    return _act(request, campaign, sample, store, _("Decided, with your reason; the votes stay as they are."))


@login_required
@require_POST
def open_second_round(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Ask again about the samples that the queue shows."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    run = choose_run(request, campaign, latest_runs(campaign))
    quota = request.POST.get("quota", "")
    samples: list[Sample] = []
    if run is not None and campaign.state == CampaignState.CLOSED:
        rows = disputes.list_disputed(run, _queue(request.POST.get("below", ""), run)).select_related("sample")
        samples = [row.sample for row in rows]
    try:
        number = int(quota) if quota.isdecimal() and len(quota) < 5 else 0
        start_second_round(campaign=campaign, samples=samples, quota=number, by=request.user)
    except RefusedError as error:
        messages.error(request, str(error))
        return redirect("campaigns:disputes", campaign.pk)
    messages.success(request, _("The second round is open; the first stays as it is."))
    return redirect("campaigns:campaign", campaign.pk)


def _list_threads(request: HttpRequest, campaign: Campaign) -> list[Thread]:
    threads = Thread.objects.filter(campaign=campaign).select_related("sample__project").order_by("-raised_at")
    return [thread for thread in threads if is_open_to(request.user, campaign, thread.sample)]


def _queue(below: str, run: ConsensusRun) -> Queue:
    """The queue of a threshold out of THRESHOLDS; the usual one for anything else."""
    chosen = float(below) if below in THRESHOLDS else disputes.BELOW
    return Queue(below=chosen, entropy_from=find_agreement(run)["entropy"]["top_from"])


def _list_queue(request: HttpRequest, run: ConsensusRun) -> dict[str, Any]:
    scheme, queue = scheme_of(run.campaign), _queue(request.GET.get("below", ""), run)
    rows = disputes.list_disputed(run, queue).select_related("sample__region")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    decisions = latest_decisions(campaign=run.campaign)
    thumbs = list_thumbs(run.campaign, [row.sample for row in page])
    for row in page:
        row.bar, row.named = draw_votes(scheme, row.counts), scheme.find(row.code)
        row.thumb = thumbs[row.sample_id]
        row.decision = decisions.get(row.sample_id)
    return {
        "page": page,
        "queue": queue,
        "queue_query": f"?run={run.pk}&below={queue.below:g}",
        "thresholds": THRESHOLDS,
        "scheme": scheme,
        "decided": len(decisions),
    }


def _walk(request: HttpRequest, run: ConsensusRun, sample: Sample) -> dict[str, Any]:
    """The sample's place in the queue, and the addresses of those before and after."""
    queue = _queue(request.GET.get("below", ""), run)
    keys = list(disputes.list_disputed(run, queue).values_list("sample_id", flat=True))
    query = f"?run={run.pk}&below={queue.below:g}"
    if sample.pk not in keys:
        return {"query": query, "queue": queue}
    place = keys.index(sample.pk)
    beside = {"before": keys[place - 1] if place else None, "after": keys[place + 1] if place + 1 < len(keys) else None}
    links = {name: _address(run.campaign, key) + query for name, key in beside.items() if key is not None}
    return {"query": query, "queue": queue, "place": place + 1, "queue_size": len(keys), "links": links}


def _find(
    request: HttpRequest, campaign_id: int, sample_id: int, minimum: str = Role.EXPERT
) -> tuple[Campaign, Sample]:
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=minimum)
    return campaign, _find_sample(campaign, sample_id)


def _find_sample(campaign: Campaign, sample_id: int) -> Sample:
    """A sample that a round of the campaign asks about."""
    asked = Sample.objects.filter(round_samples__round__campaign=campaign).select_related("region", "project")
    return get_object_or_404(asked.distinct(), pk=sample_id)


def _address(campaign: Campaign, sample: Sample | int) -> str:
    return reverse("campaigns:sample", args=[campaign.pk, sample if isinstance(sample, int) else sample.pk])


def _act(
    request: HttpRequest, campaign: Campaign, sample: Sample, service: Callable[[], Any], done: str
) -> HttpResponseBase:
    """Do it, say so, and show the sample again."""
    try:
        service()
    except RefusedError as error:
        return _refuse(request, error, back=_address(campaign, sample))
    if done:
        messages.success(request, done)
    query = request.META.get("QUERY_STRING", "")
    return redirect(_address(campaign, sample) + (f"?{query}" if query else ""))


def _refuse(request: HttpRequest, error: RefusedError, back: str = "") -> HttpResponseBase:
    """404 tells nothing more; a program gets the sentence, a person sees it on the page."""
    if request.content_type == "application/json":
        return JsonResponse({"error": str(error)}, status=error.status, headers={"Cache-Control": "no-store"})
    if error.status == 404 or not back:
        raise Http404 from error
    messages.error(request, str(error))
    return redirect(back)
