"""Job: one piece of background work. PostgreSQL holds its state; the broker only wakes a worker up."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class JobState(models.TextChoices):
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    PAUSED = "paused", _("paused")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


ALIVE = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)


class Job(models.Model):
    """Claimed by a filtered update that must change one row; `fence` is new with each claim.

    A large job fans out into parts: jobs of their own, with it as their `parent`. `devices` is how many device slots
    it holds while it runs. At `time_limit_s` the work is told to stop; at `hard_limit_s` its process is killed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, null=True, related_name="jobs")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="parts")
    kind = models.CharField(max_length=200)
    queue = models.CharField(max_length=40, default="data")
    arguments = models.JSONField(default=dict)
    unique_key = models.CharField(max_length=200, null=True)
    priority = models.SmallIntegerField(default=0)
    state = models.CharField(max_length=12, choices=JobState, default=JobState.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    time_limit_s = models.PositiveIntegerField(default=3600)
    devices = models.PositiveSmallIntegerField(default=0)
    fence = models.UUIDField(null=True)
    worker = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    is_cancel_requested = models.BooleanField(default=False)
    is_pause_requested = models.BooleanField(default=False)
    progress = models.FloatField(default=0.0)
    message = models.CharField(max_length=500, blank=True)
    reason = models.TextField(blank=True)
    result = models.JSONField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(progress__gte=0, progress__lte=1), name="job_progress_is_a_share"
            ),
            models.UniqueConstraint(
                fields=["unique_key"],
                condition=models.Q(state__in=["queued", "running", "paused"]),
                name="job_unique_key_once_alive",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "lease_until"], name="job_state_lease"),
            models.Index(fields=["created_at"], name="job_created", condition=models.Q(state="queued")),
            models.Index(fields=["queue", "created_by", "-started_at"], name="job_served"),
        ]

    def __str__(self) -> str:
        return f"{self.kind.rsplit('.', 1)[-1]} {self.state}"

    @property
    def is_over(self) -> bool:
        return self.state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

    @property
    def hard_limit_s(self) -> int:
        """A tenth and a grace more than the limit at which the work itself is told."""
        return int(self.time_limit_s * 1.1 + settings.JOB_GRACE_S)


class DeviceSlot(models.Model):
    """One device of one machine. It is held as long as the job that took it holds its claim, and no longer."""

    machine = models.CharField(max_length=100)
    device = models.CharField(max_length=60)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="slots")
    fence = models.UUIDField(null=True)
    taken_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["machine", "device"], name="device_slot_once")]

    def __str__(self) -> str:
        return f"{self.device} of {self.machine}"
