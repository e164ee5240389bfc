"""Runs, checkpoints, benchmarks, scores and maps."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

PRUNED = "Pruned"  # how the reason of a trial begins that was ended because others did better


class RunState(models.TextChoices):
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    PAUSED = "paused", _("paused")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


class Run(models.Model):
    """One training of one task on one version. `spec` is the whole truth of it; `folder` holds its files.

    `processes` share its work, each on a device of its own; the curve is the same for any number of them. A search is a
    run whose children are its trials: its `search` holds space and bounds (training.search), that of a trial its number
    and parameters, and that of any other run is null.
    """

    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, related_name="runs")
    version = models.ForeignKey("releases.DatasetVersion", on_delete=models.PROTECT, related_name="runs")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="children")
    job = models.ForeignKey("queue.Job", on_delete=models.SET_NULL, null=True, related_name="+")
    name = models.CharField(max_length=120)
    task = models.CharField(max_length=60)
    spec = models.JSONField()
    search = models.JSONField(null=True)
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


class Protocol(models.TextChoices):
    """What may be trained on; scores of different protocols never stand in one ranking (training.protocols)."""

    UNSEEN_CITIES = "unseen_cities", _("unseen cities")
    SAME_CITIES = "same_cities", _("same cities")
    CONTEST = "contest", _("contest")


class Benchmark(models.Model):
    """A fixed version, split, metric and protocol on which systems are scored; it never changes once it has scores.

    `seed` and `resamples` fix the bootstrap, `interval_by` what is drawn in it. With `has_hidden_labels` it is a
    contest: labels of its split are for curators, a board shows the scores on `public_share` of the rows until
    `ends_at`, and then those on the others. `counts` says which of a person's submissions does.
    """

    class Drawn(models.TextChoices):
        BLOCK = "block", _("block")
        CITY = "city", _("city")

    class Counts(models.TextChoices):
        BEST = "best", _("the best")
        LAST = "last", _("the last")

    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, related_name="benchmarks")
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=80)
    version = models.ForeignKey("releases.DatasetVersion", on_delete=models.PROTECT, related_name="benchmarks")
    pack_sha256 = models.CharField(max_length=64, blank=True)
    task = models.CharField(max_length=60)
    target = models.CharField(max_length=80, blank=True)
    scheme = models.CharField(max_length=60, blank=True)
    split = models.CharField(max_length=20, default="test")
    metric = models.CharField(max_length=40)
    further_metrics = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    protocol = models.CharField(max_length=20, choices=Protocol, default=Protocol.UNSEEN_CITIES)
    note = models.TextField(blank=True)
    interval_by = models.CharField(max_length=10, choices=Drawn, default=Drawn.BLOCK)
    seed = models.BigIntegerField(default=0)
    resamples = models.PositiveIntegerField(default=1000)
    is_automatic = models.BooleanField(default=False)
    has_hidden_labels = models.BooleanField(default=False)
    public_share = models.FloatField(null=True)
    ends_at = models.DateTimeField(null=True)
    daily_limit = models.PositiveSmallIntegerField(default=20)
    counts = models.CharField(max_length=10, choices=Counts, default=Counts.BEST)
    created_by = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "slug"], name="benchmark_slug_once"),
            models.CheckConstraint(
                condition=models.Q(has_hidden_labels=False, public_share=None, ends_at=None)
                | models.Q(has_hidden_labels=True, public_share__gt=0, public_share__lt=1, ends_at__isnull=False),
                name="benchmark_contest_is_whole",
            ),
            models.CheckConstraint(condition=models.Q(daily_limit__gte=1), name="benchmark_takes_one_a_day"),
        ]

    def __str__(self) -> str:
        return self.name


class Submission(models.Model):
    """One system on one benchmark: what was sent under one name, a run's settings, a baseline, or a published figure.

    Its scores are its seeds. `settings_sha256` is that of a run's settings without its seed, so that runs which differ
    in nothing else are one system. Only a published figure has a value of its own: it was not computed here.
    """

    class Kind(models.TextChoices):
        UPLOAD = "upload", _("predictions")
        RUN = "run", _("run")
        BASELINE = "baseline", _("baseline")
        PUBLISHED = "published", _("published")

    benchmark = models.ForeignKey(Benchmark, on_delete=models.CASCADE, related_name="submissions")
    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=120)
    words = models.TextField(blank=True)
    submitted_by = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="+")
    job = models.ForeignKey("queue.Job", on_delete=models.SET_NULL, null=True, related_name="+")
    settings_sha256 = models.CharField(max_length=64, blank=True)
    source = models.TextField(blank=True)
    published_value = models.FloatField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["benchmark", "name"], name="submission_name_once"),
            models.CheckConstraint(
                condition=(models.Q(kind="published", published_value__isnull=False) & ~models.Q(source=""))
                | (~models.Q(kind="published") & models.Q(published_value=None)),
                name="submission_published_has_source",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SubmissionCount(models.Model):
    """How many submissions a person made to a benchmark on one day (UTC), counted in one statement with the limit."""

    benchmark = models.ForeignKey(Benchmark, on_delete=models.CASCADE, related_name="submission_counts")
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    used = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["benchmark", "user", "day"], name="submission_count_once_a_day")]

    def __str__(self) -> str:
        return f"{self.used} on {self.day}"


class Score(models.Model):
    """One seed of one system on one benchmark, with its 95 % interval; computed here, from predictions that are kept.

    In a contest `value`, `low`, `high` and `draws` are of the private rows, and `public` of the others, as
    {"value", "low", "high", "n", "metrics"}. `draws` are the metric itself and on each bootstrap draw, float64, by
    which systems are compared in pairs; empty where only a run's report is known. `detail` holds further metrics.
    """

    benchmark = models.ForeignKey(Benchmark, on_delete=models.CASCADE, related_name="scores")
    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, related_name="scores")
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.CASCADE, null=True, related_name="scores")
    baseline = models.CharField(max_length=60, blank=True)
    seed = models.BigIntegerField(default=0)
    value = models.FloatField()
    low = models.FloatField()
    high = models.FloatField()
    samples_count = models.PositiveIntegerField()
    detail = models.JSONField(default=dict)
    draws = models.BinaryField(default=bytes)
    public = models.JSONField(null=True)
    public_draws = models.BinaryField(default=bytes)
    predictions_uri = models.TextField(blank=True)
    file_sha256 = models.CharField(max_length=64, blank=True)
    file_name = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(checkpoint__isnull=True) | models.Q(baseline=""),
                name="score_of_checkpoint_or_baseline",
            ),
            models.UniqueConstraint(
                fields=["submission", "seed", "file_sha256"],
                condition=~models.Q(file_sha256=""),
                name="score_of_a_file_once",
            ),
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
