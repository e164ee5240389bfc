"""Experts at work: sittings, their part in a round, and their standing in a campaign."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from geoquorum.campaigns.models.asking import Campaign, Round


class Session(models.Model):
    """One sitting of one expert."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="sessions")
    expert = models.ForeignKey("accounts.Expert", on_delete=models.PROTECT, related_name="sessions")
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    paused_s = models.PositiveIntegerField(default=0)
    pauses = models.JSONField(default=list, blank=True)
    device = models.CharField(max_length=200, blank=True)
    interface_version = models.CharField(max_length=40, blank=True)

    def __str__(self) -> str:
        return f"{self.expert} from {self.started_at:%Y-%m-%d %H:%M}"


class Participation(models.Model):
    """One expert's part in one round: own counts, so that nothing is counted anew at each vote, and own matrix.

    `claims` counts samples ever taken and moves the own random order on; `last_place` is the block of the latest
    sample; `allowance` is what is left of the votes a person can cast at once. `log_likelihood` [k * k, truth by
    answer] is the expert's confusion matrix as of the round's `model_version`, null where the pooled one stands.
    """

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="participations")
    expert = models.ForeignKey("accounts.Expert", on_delete=models.PROTECT, related_name="participations")
    answered = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    claims = models.PositiveIntegerField(default=0)
    last_place = models.CharField(max_length=60, blank=True)
    last_voted_at = models.DateTimeField(null=True)
    allowance = models.FloatField(default=0.0)
    log_likelihood = ArrayField(models.FloatField(), null=True)
    model_version = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["round", "expert"], name="participation_once")]

    def __str__(self) -> str:
        return f"{self.expert} in {self.round}"


class Standing(models.Model):
    """Whether an expert's votes count in a campaign, and what the curator should know. Flags never drop a vote."""

    class State(models.TextChoices):
        NEW = "new", _("not yet qualified")
        QUALIFIED = "qualified", _("qualified")
        WAIVED = "waived", _("let in by a curator")
        FAILED = "failed", _("not qualified")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="standings")
    expert = models.ForeignKey("accounts.Expert", on_delete=models.PROTECT, related_name="standings")
    state = models.CharField(max_length=10, choices=State, default=State.NEW)
    flags = models.JSONField(default=list, blank=True)
    decided_at = models.DateTimeField(null=True)
    watched_until = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "expert"], name="standing_once")]

    def __str__(self) -> str:
        return f"{self.expert}: {self.get_state_display()}"


class Attempt(models.Model):
    """One try at qualification, at most three; its votes are those of `round`."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="attempts")
    expert = models.ForeignKey("accounts.Expert", on_delete=models.PROTECT, related_name="attempts")
    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    score = models.FloatField(null=True)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    is_passed = models.BooleanField(null=True)
    hints = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "expert", "number"], name="attempt_number_once"),
            models.CheckConstraint(condition=models.Q(number__gte=1, number__lte=3), name="attempt_at_most_three"),
        ]

    def __str__(self) -> str:
        return f"{self.expert}, try {self.number}"


class Gold(models.Model):
    """The answer that curators know of a sample; it is shown to nobody who votes."""

    class Use(models.TextChoices):
        QUALIFY = "qualify", _("qualification")
        MONITOR = "monitor", _("hidden in the stream")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="gold")
    sample = models.ForeignKey("catalog.Sample", on_delete=models.PROTECT, related_name="gold")
    code = models.CharField(max_length=40)
    use = models.CharField(max_length=10, choices=Use)
    explanation = models.TextField(blank=True)
    source = models.CharField(max_length=80, blank=True)
    created_by = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "sample"], name="gold_once")]

    def __str__(self) -> str:
        return f"{self.sample}: gold"
