"""What the votes amount to: runs of a method, their rows, and what a curator decided instead."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from geoquorum.campaigns.models.asking import Campaign, Round


class ConsensusRun(models.Model):
    """One method applied to one round's votes up to a stated sequence number; its rows never change once READY."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="consensus_runs")
    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="consensus_runs")
    job = models.ForeignKey("queue.Job", on_delete=models.SET_NULL, null=True, related_name="+")
    method = models.CharField(max_length=60)
    parameters = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    last_vote = models.BigIntegerField(null=True)
    votes_count = models.PositiveIntegerField(default=0)
    samples_count = models.PositiveIntegerField(default=0)
    experts = models.JSONField(default=list)
    expert_confusion = models.JSONField(null=True)
    summary = models.JSONField(default=dict)
    code_revision = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.method} on {self.round}"


class Consensus(models.Model):
    """What the votes on one sample amount to. `low` and `high` bound the top class's share or posterior (95 %).

    `fields` holds what the question asks beside the class, by the field's name: value, votes, agreement and more
    (annotation.answer_fields); null where it asks nothing else, and in runs made before this was kept.
    """

    class Status(models.TextChoices):
        SETTLED = "settled", _("settled")
        DISPUTED = "disputed", _("disputed")

    run = models.ForeignKey(ConsensusRun, on_delete=models.CASCADE, related_name="rows")
    sample = models.ForeignKey("catalog.Sample", on_delete=models.PROTECT, related_name="consensus")
    code = models.CharField(max_length=40)
    distribution = ArrayField(models.FloatField())
    counts = ArrayField(models.PositiveIntegerField())
    votes_count = models.PositiveSmallIntegerField()
    entropy = models.FloatField()
    agreement = models.FloatField()
    low = models.FloatField()
    high = models.FloatField()
    status = models.CharField(max_length=10, choices=Status)
    flags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    fields = models.JSONField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "sample"], name="consensus_once")]
        indexes = [models.Index(fields=["run", "status", "-entropy"], name="consensus_disputed_first")]

    def __str__(self) -> str:
        return f"{self.sample}: {self.code}"


class Adjudication(models.Model):
    """A curator's decision about one sample of a round, with its reason. Insert-only; the latest counts.

    `code` is empty where the curator keeps the sample as ambiguous, with its distribution.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="adjudications")
    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="adjudications")
    sample = models.ForeignKey("catalog.Sample", on_delete=models.PROTECT, related_name="adjudications")
    code = models.CharField(max_length=40, blank=True)
    is_ambiguous = models.BooleanField(default=False)
    reason = models.TextField()
    by = models.ForeignKey("accounts.Expert", on_delete=models.PROTECT, related_name="adjudications")
    decided_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(is_ambiguous=True, code="") | (models.Q(is_ambiguous=False) & ~models.Q(code="")),
                name="adjudication_says_one_thing",
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="adjudication_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.sample}: {self.code or 'ambiguous'}"
