"""Buttons of a run under way: pause, go on, another place in the queue."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from fusion.errors import GeoquorumError
from geoquorum.accounts.models import Role
from geoquorum.accounts.services import require_role
from geoquorum.training import control
from geoquorum.training.models import Run
from geoquorum.training.wishes import read_whole


@login_required
@require_POST
def pause_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """Lets a run rest; for curators."""
    said = _("The run rests after it has kept a checkpoint; its device is free for others.")
    return _do(request, run_id, said, lambda run: control.pause_run(run=run, by=request.user))


@login_required
@require_POST
def go_on(request: HttpRequest, run_id: int) -> HttpResponse:
    """Lets a paused, failed or cancelled run go on; for curators."""
    said = _("The run waits for a device and goes on from its last checkpoint.")
    return _do(request, run_id, said, lambda run: control.go_on(run=run, by=request.user))


@login_required
@require_POST
def set_priority(request: HttpRequest, run_id: int) -> HttpResponse:
    """Moves a run that waits; for curators, and above 0 for administrators."""

    def move(run: Run) -> None:
        control.set_priority(run=run, priority=read_whole(request.POST, "priority", 0), by=request.user)

    return _do(request, run_id, _("The run has another place in the queue."), move)


def _do(request: HttpRequest, run_id: int, said: str, act: Callable[[Run], None]) -> HttpResponse:
    run = get_object_or_404(Run.objects.select_related("project", "job"), pk=run_id)
    require_role(user=request.user, project=run.project, minimum=Role.CURATOR)
    try:
        act(run)
        messages.info(request, said)
    except GeoquorumError as error:
        messages.error(request, str(error))
    return redirect("training:run", run.pk)
