"""Runs, checkpoints, benchmarks, scores and maps."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class RunState(models.TextChoices):
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    PAUSED = "paused", _("paused")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


class Run(models.Model):
    """One training of one task on one version. `spec` is the whole truth of it; `folder` holds its files.

    `processes` share its work, each on a device of its own; the curve is the same for any number of them.
    """

    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, related_name="runs")
    version = models.ForeignKey("releases.DatasetVersion", on_delete=models.PROTECT, related_name="runs")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="children")
    job = models.ForeignKey("queue.Job", on_delete=models.SET_NULL, null=True, related_name="+")
    name = models.CharField(max_length=120)
    task = models.CharField(max_length=60)
    spec = models.JSONField()
    seed = models.BigIntegerField(default=0)
    processes = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=10, choices=RunState, default=RunState.QUEUED)
    reason = models.TextField(blank=True)
    folder = models.TextField(blank=True)
    device = models.CharField(max_length=120, blank=True)
    events = models.JSONField(default=list)
    progress = models.JSONField(default=dict)
    report = models.JSONField(null=True)
    code_revision = models.CharField(max_length=60, blank=True)
    created_by = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="done") | models.Q(report__isnull=False), name="run_done_has_report"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_over(self) -> bool:
        return self.state in (RunState.DONE, RunState.FAILED, RunState.CANCELLED)


class Checkpoint(models.Model):
    """Weights by path and hash; never unpickled."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="checkpoints")
    uri = models.TextField()
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    step = models.PositiveIntegerField()
    is_best = models.BooleanField(default=False)
    metrics = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "sha256"], name="checkpoint_once")]

    def __str__(self) -> str:
        return f"{self.run} at step {self.step}"


class Benchmark(models.Model):
    """A fixed version, split, metric and protocol that checkpoints are scored on."""

    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, related_name="benchmarks")
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=80)
    version = models.ForeignKey("releases.DatasetVersion", on_delete=models.PROTECT, related_name="benchmarks")
    task = models.CharField(max_length=60)
    split = models.CharField(max_length=20, default="test")
    metric = models.CharField(max_length=40)
    protocol = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="benchmark_slug_once")]

    def __str__(self) -> str:
        return self.name


class Score(models.Model):
    """One checkpoint's (or one baseline's) number on one benchmark, with its 95 % interval."""

    benchmark = models.ForeignKey(Benchmark, on_delete=models.CASCADE, related_name="scores")
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.CASCADE, null=True, related_name="scores")
    baseline = models.CharField(max_length=60, blank=True)
    value = models.FloatField()
    low = models.FloatField()
    high = models.FloatField()
    samples_count = models.PositiveIntegerField()
    detail = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(checkpoint__isnull=False, baseline="")
                | (models.Q(checkpoint__isnull=True) & ~models.Q(baseline="")),
                name="score_of_checkpoint_or_baseline",
            )
        ]

    def __str__(self) -> str:
        return f"{self.value:.3f} on {self.benchmark}"


class MapProduct(models.Model):
    """A prediction over a region as a cloud-optimised GeoTIFF, and a second one with bands of per cent.

    `confidence_uri` is that second file; `summary` names its `bands` (in maps of before: one without a name, the
    probability). `options` are those that the map was asked for with (training.mapping).
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="maps")
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, null=True, related_name="maps")
    region = models.ForeignKey("catalog.Region", on_delete=models.CASCADE, related_name="maps")
    job = models.ForeignKey("queue.Job", on_delete=models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=10, choices=RunState, default=RunState.QUEUED)
    reason = models.TextField(blank=True)
    uri = models.TextField(blank=True)
    confidence_uri = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    bounds = ArrayField(models.FloatField(), size=4, null=True)
    options = models.JSONField(default=dict)
    summary = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "region"], name="map_once_per_region")]

    def __str__(self) -> str:
        return f"Map of {self.region} by {self.run}"
