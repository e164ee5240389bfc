"""Device slots: one run at a time on each device. A slot goes with the claim, so that a dead job holds none."""

from django.db.models import Count, F
from django.db.models.functions import Now

from geoquorum.queue.devices import machine_name, own_devices
from geoquorum.queue.models import DeviceSlot, Job, JobState


def take_slots(job: Job) -> tuple[str, ...] | None:
    """As many devices of this machine as the job needs, or None; inside the transaction that claims the job."""
    rows = list(_own_rows().select_for_update().order_by("pk"))
    if len(rows) < len(own_devices()):
        _register()
        rows = list(_own_rows().select_for_update().order_by("pk"))
    held = set(_held().values_list("pk", flat=True))
    free = [row for row in rows if row.pk not in held][: job.devices]
    if len(free) < job.devices:
        return None
    DeviceSlot.objects.filter(pk__in=[row.pk for row in free]).update(job=job, fence=job.fence, taken_at=Now())
    return tuple(row.device for row in free)


def list_devices_of(job: Job) -> tuple[str, ...]:
    """The devices that this claim of the job holds."""
    rows = DeviceSlot.objects.filter(job=job, fence=job.fence) if job.fence else DeviceSlot.objects.none()
    return tuple(rows.order_by("pk").values_list("device", flat=True))


def count_free() -> int:
    """Devices of this machine that no running job holds, at this moment."""
    return len(own_devices()) - _held().count()


def find_largest_machine() -> int | None:
    """The most devices that one known machine has; None before any has taken a job."""
    counts = DeviceSlot.objects.values("machine").annotate(devices=Count("pk")).values_list("devices", flat=True)
    return max(counts, default=None)


def _own_rows():
    return DeviceSlot.objects.filter(machine=machine_name(), device__in=own_devices())


def _held():
    return _own_rows().filter(job__state=JobState.RUNNING, fence=F("job__fence"))


def _register() -> None:
    """Rows for what this machine has, and none for what it has no more."""
    fresh = [DeviceSlot(machine=machine_name(), device=device) for device in own_devices()]
    DeviceSlot.objects.bulk_create(fresh, ignore_conflicts=True)
    DeviceSlot.objects.filter(machine=machine_name()).exclude(device__in=own_devices()).delete()
