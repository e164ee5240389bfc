"""Which consensus run a page shows."""

from typing import Any

from django.http import Http404, HttpRequest

from annotation import consensus as methods_of
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign, ConsensusRun, Round


def latest_runs(campaign: Campaign) -> list[ConsensusRun]:
    """The newest ready run of each method and round: rounds over all samples first, in each the default method."""
    ready = ConsensusRun.objects.filter(campaign=campaign, state=ConsensusRun.State.READY).select_related(
        "round", "campaign"
    )
    latest = {(run.round_id, run.method): run for run in ready.order_by("pk")}
    return sorted(map(entitle, latest.values()), key=_order)


def entitle(run: ConsensusRun) -> ConsensusRun:
    """The run with `title`, which names the method, and the round where it is not the first."""
    known = methods_of.load_all()
    title = known[run.method].title if run.method in known else run.method
    run.title = title if run.round.number == 1 else f"{title} · {run.round.get_purpose_display()}"  # type: ignore[attr-defined]
    return run


def choose_run(request: HttpRequest, campaign: Campaign, runs: list[ConsensusRun]) -> ConsensusRun | None:
    """The run in `?run=`, else the first of `runs`; 404 for a run that is not there."""
    wanted = request.GET.get("run", "")
    if not wanted:
        return runs[0] if runs else None
    if not wanted.isdecimal() or len(wanted) > 18:
        raise Http404
    found = ConsensusRun.objects.filter(campaign=campaign, pk=int(wanted), state=ConsensusRun.State.READY).first()
    if found is None:
        raise Http404
    chosen = next((run for run in runs if run == found), None) or entitle(found)
    chosen.campaign = campaign
    return chosen


def _order(run: ConsensusRun) -> tuple[Any, ...]:
    preferred = services.list_methods(run.campaign)[-1]
    return (run.round.purpose != Round.Purpose.VOTE, -run.round.number, run.method != preferred, run.method)
