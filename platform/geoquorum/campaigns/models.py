"""Campaigns, rounds, sessions, assignments, votes and consensus. The database itself holds the rules of voting."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class CampaignState(models.TextChoices):
    DRAFT = "draft", _("draft")
    OPEN = "open", _("open")
    CLOSED = "closed", _("closed")


class Campaign(models.Model):
    """A question put to people about samples. Question and scheme versions are those at the first vote.

    `lease_s` is how long a claim holds; `seed` fixes each expert's own order; `blinded_until_close` stays true unless
    an unblinding event says otherwise (`unblinded_at`).
    """

    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, related_name="campaigns")
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=80)
    question = models.CharField(max_length=60)
    question_version = models.PositiveSmallIntegerField(default=1)
    scheme = models.CharField(max_length=60)
    scheme_version = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=10, choices=CampaignState, default=CampaignState.DRAFT)
    policy = models.JSONField(default=dict, blank=True)
    guide = models.TextField(blank=True)
    lease_s = models.PositiveIntegerField(default=600)
    seed = models.BigIntegerField(default=0)
    is_simulated = models.BooleanField(default=False)
    created_by = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    unblinded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="campaign_slug_once")]

    def __str__(self) -> str:
        return self.name


class Round(models.Model):
    """One round of a campaign; the first stays when a second comes. `quota` is the votes wanted, or the most."""

    class Purpose(models.TextChoices):
        VOTE = "vote", _("vote")
        QUALIFY = "qualify", _("qualification")
        REPEAT = "repeat", _("hidden repeats")
        DISPUTE = "dispute", _("disputed samples again")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="rounds")
    number = models.PositiveSmallIntegerField(default=1)
    purpose = models.CharField(max_length=10, choices=Purpose, default=Purpose.VOTE)
    quota = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "number"], name="round_number_once"),
            models.UniqueConstraint(fields=["id", "quota"], name="round_id_and_quota"),
            models.CheckConstraint(condition=models.Q(quota__gte=1), name="round_quota_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.campaign} round {self.number}"


class RoundSample(models.Model):
    """A sample that a round asks about, with the running posterior that closing, routing and settling use."""

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="round_samples")
    sample = models.ForeignKey("catalog.Sample", on_delete=models.PROTECT, related_name="round_samples")
    position = models.PositiveIntegerField(default=0)
    is_gold = models.BooleanField(default=False)
    slots_taken = models.PositiveSmallIntegerField(default=0)
    posterior = ArrayField(models.FloatField(), null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["round", "sample"], name="round_sample_once")]
        indexes = [
            models.Index(
                fields=["round", "slots_taken", "position"],
                name="round_sample_open",
                condition=models.Q(settled_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.sample} in {self.round}"


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


class Assignment(models.Model):
    """The mutable row of voting: one expert, one sample, one round. `slot` is the place it takes below the quota;
    a skipped sample and a claim that ran out (released) take none. `quota` repeats the round's, and a foreign key of
    both columns holds it equal, so that the database itself refuses a slot beyond the quota."""

    class State(models.TextChoices):
        CLAIMED = "claimed", _("claimed")
        ANSWERED = "answered", _("answered")
        SKIPPED = "skipped", _("skipped")
        RELEASED = "released", _("released")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="assignments")
    # The unique constraints below begin with the round; no page asks by session.
    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="assignments", db_index=False)
    sample = models.ForeignKey("catalog.Sample", on_delete=models.PROTECT, related_name="assignments")
    expert = models.ForeignKey("accounts.Expert", on_delete=models.PROTECT, related_name="assignments")
    session = models.ForeignKey(
        Session, on_delete=models.SET_NULL, null=True, related_name="assignments", db_index=False
    )
    quota = models.PositiveSmallIntegerField()
    slot = models.PositiveSmallIntegerField(null=True)
    state = models.CharField(max_length=10, choices=State, default=State.CLAIMED)
    claimed_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["round", "sample", "expert"], name="assignment_one_per_expert"),
            models.UniqueConstraint(fields=["round", "sample", "slot"], name="assignment_one_per_slot"),
            models.CheckConstraint(
                condition=models.Q(slot=None) | models.Q(slot__lt=models.F("quota")), name="assignment_slot_below_quota"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["skipped", "released"], slot=None)
                | models.Q(state__in=["claimed", "answered"], slot__isnull=False),
                name="assignment_slot_while_it_counts",
            ),
        ]
        indexes = [
            models.Index(fields=["lease_until"], name="assignment_lease", condition=models.Q(state="claimed")),
            models.Index(fields=["expert", "round", "state"], name="assignment_of_expert"),
        ]

    def __str__(self) -> str:
        return f"{self.expert}: {self.sample}"


class Vote(models.Model):
    """Insert-only. A correction or a taking-back is a new revision; the latest counts. `id` is the sequence.

    The application's role has no right to UPDATE, DELETE or TRUNCATE this table (migration 0001).
    """

    class Kind(models.TextChoices):
        ANSWER = "answer", _("answer")
        SKIP = "skip", _("skip")
        TAKEN_BACK = "taken_back", _("taken back")

    # Found by (assignment, revision) and (campaign, sample): further indexes would only slow the writing down.
    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="votes", db_index=False)
    revision = models.PositiveSmallIntegerField(default=0)
    client_uuid = models.UUIDField(default=uuid.uuid4, unique=True)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="votes", db_index=False)
    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="votes")
    sample = models.ForeignKey("catalog.Sample", on_delete=models.PROTECT, related_name="votes")
    expert = models.ForeignKey("accounts.Expert", on_delete=models.PROTECT, related_name="votes")
    session = models.ForeignKey(Session, on_delete=models.PROTECT, null=True, related_name="votes", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.ANSWER)
    code = models.CharField(max_length=40, blank=True)
    answer = models.JSONField(null=True)
    second_code = models.CharField(max_length=40, blank=True)
    is_sure = models.BooleanField(default=True)
    skip_reason = models.CharField(max_length=4, blank=True)
    is_machine = models.BooleanField(default=False)
    shown_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(db_default=Now())
    views_opened = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    interface_version = models.CharField(max_length=40, blank=True)
    question_version = models.PositiveSmallIntegerField(default=1)
    scheme_version = models.PositiveSmallIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assignment", "revision"], name="vote_revision_once"),
            models.CheckConstraint(
                condition=(
                    models.Q(kind="answer", skip_reason="") & (~models.Q(code="") | models.Q(answer__isnull=False))
                )
                | (models.Q(kind="skip", code="", answer__isnull=True) & ~models.Q(skip_reason=""))
                | models.Q(kind="taken_back", code="", answer__isnull=True, skip_reason=""),
                name="vote_says_one_thing",
            ),
        ]
        indexes = [models.Index(fields=["campaign", "sample"], name="vote_campaign_sample")]

    def __str__(self) -> str:
        return f"{self.kind} {self.code or self.skip_reason}".strip()


class Comment(models.Model):
    """Words of an expert about a sample, in a table of their own so that they can be erased."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="comments")
    sample = models.ForeignKey("catalog.Sample", on_delete=models.CASCADE, related_name="comments")
    expert = models.ForeignKey("accounts.Expert", on_delete=models.PROTECT, related_name="comments")
    vote = models.ForeignKey(Vote, on_delete=models.PROTECT, null=True, related_name="comments")
    text = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    erased_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.text[:60]


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
    """What the votes on one sample amount to. `low` and `high` bound the top class's share or posterior (95 %)."""

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

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "sample"], name="consensus_once")]
        indexes = [models.Index(fields=["run", "status", "-entropy"], name="consensus_disputed_first")]

    def __str__(self) -> str:
        return f"{self.sample}: {self.code}"
