"""What one user may ask of the devices that all share."""

from django.conf import settings
from django.utils.translation import gettext as _

from fusion.errors import BadInputError, SpecError
from fusion.run import RunSpec
from geoquorum.accounts.models import Project, Role, User
from geoquorum.accounts.services import has_role
from geoquorum.queue.slots import find_largest_machine
from geoquorum.training.models import Run, RunState

MOST_PROCESSES = 64
ACTIVE = (RunState.QUEUED, RunState.RUNNING)


def check_room(user: User | None) -> None:
    """BadInputError where the user has as many waiting and running runs as one may; inside the start's transaction.

    Locks the user's row, so that of fifty starts at once none slips through. Trials of a search count as one run.
    """
    if user is None:
        return
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    active = Run.objects.filter(created_by=user, state__in=ACTIVE, parent=None).count()
    if active >= settings.ACTIVE_RUNS:
        raise BadInputError(
            _(
                "You have %(count)d runs that wait or run, and one user may have %(most)d. Wait until one ends, "
                "or stop or pause one."
            )
            % {"count": active, "most": settings.ACTIVE_RUNS}
        )


def check_asked(*, project: Project, by: User | None, spec: RunSpec, processes: int, priority: int) -> None:
    """BadInputError or SpecError where what is asked for cannot be had, or not by this user."""
    if ":" in spec.device:
        raise SpecError(
            f"device is {spec.device!r}: say auto, cpu or cuda. The platform gives each run a device that nobody else "
            "uses."
        )
    if not 1 <= processes <= MOST_PROCESSES:
        raise SpecError(f"processes must lie from 1 to {MOST_PROCESSES}; it is {processes}.")
    largest = find_largest_machine()
    if largest is not None and processes > max(largest, 1):
        raise SpecError(f"processes is {processes}, but no machine has more than {largest} device(s) for them.")
    check_priority(project=project, by=by, priority=priority)


def check_priority(*, project: Project, by: User | None, priority: int) -> None:
    """Before all others: only an administrator of the project may say that, since everybody waits behind it."""
    if priority > 0 and by is not None and not has_role(user=by, project=project, minimum=Role.ADMIN):
        raise BadInputError(_("Only an administrator of the project may put a run before those of others."))
