"""Dataset versions and their exports: immutable once READY; a change is the next number."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class BuildState(models.TextChoices):
    QUEUED = "queued", _("queued")
    BUILDING = "building", _("building")
    READY = "ready", _("ready")
    FAILED = "failed", _("failed")
    WITHDRAWN = "withdrawn", _("withdrawn")


class DatasetVersion(models.Model):
    """A pack: name, number, checksum. It names the consensus run it froze.

    `selection` says which consensus rows went in, `design` how they were split; `sha256` is that of pack.json. Labels
    of earlier runs may be in it too ("earlier_runs" of the selection): where two have a sample, the newer labels it.
    """

    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, related_name="versions")
    consensus_run = models.ForeignKey(
        "campaigns.ConsensusRun", on_delete=models.PROTECT, null=True, related_name="versions"
    )
    job = models.ForeignKey("queue.Job", on_delete=models.SET_NULL, null=True, related_name="+")
    name = models.SlugField(max_length=80)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=BuildState, default=BuildState.QUEUED)
    reason = models.TextField(blank=True)
    selection = models.JSONField(default=dict)
    design = models.JSONField(default=dict)
    modalities = models.JSONField(default=list)
    seed = models.BigIntegerField(default=0)
    uri = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.BigIntegerField(default=0)
    summary = models.JSONField(default=dict)
    is_simulated = models.BooleanField(default=False)
    created_by = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name", "number"], name="version_number_once"),
            models.CheckConstraint(
                condition=~models.Q(state="ready") | ~models.Q(sha256=""), name="version_ready_has_hash"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.number}"

    @property
    def consensus_ids(self) -> list[int]:
        """The consensus run that it froze, and the earlier ones whose labels it holds as well, the newest first."""
        return [self.consensus_run_id, *self.selection.get("earlier_runs", [])]


class Export(models.Model):
    """One format of one version: a file or folder with its checksum."""

    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="exports")
    job = models.ForeignKey("queue.Job", on_delete=models.SET_NULL, null=True, related_name="+")
    exporter = models.CharField(max_length=60)
    state = models.CharField(max_length=10, choices=BuildState, default=BuildState.QUEUED)
    reason = models.TextField(blank=True)
    uri = models.TextField(blank=True)
    files = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "exporter"], name="export_once")]

    def __str__(self) -> str:
        return f"{self.version} as {self.exporter}"
