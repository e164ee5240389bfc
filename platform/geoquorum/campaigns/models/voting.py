"""Claims and votes: the database itself holds the rules of voting."""

import uuid
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from geoquorum.campaigns.models.asking import Campaign, Round
from geoquorum.campaigns.models.people import Session


class Assignment(models.Model):
    """The mutable row of voting: one expert, one sample, one round. `slot` is the place it takes below the quota;
    a skipped sample and a claim that ran out (released) take none.

    A trigger (migration 0005) compares round, sample and quota with the round's own row. So no sample is asked about
    that the round does not hold, and `quota` is the round's, which makes "slot below quota" a check of the database.
    The campaign is the round's. An assignment never moves.
    """

    class State(models.TextChoices):
        CLAIMED = "claimed", _("claimed")
        ANSWERED = "answered", _("answered")
        SKIPPED = "skipped", _("skipped")
        RELEASED = "released", _("released")

    # Few indexes: each is written twice per vote. The unique constraints begin with the round.
    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="assignments", db_index=False, db_constraint=False
    )
    round = models.ForeignKey(
        Round, on_delete=models.CASCADE, related_name="assignments", db_index=False, db_constraint=False
    )
    sample = models.ForeignKey(
        "catalog.Sample", on_delete=models.PROTECT, related_name="assignments", db_constraint=False
    )
    # Who claims or is imported has a row in Participation, which the database ties to the expert.
    expert = models.ForeignKey(
        "accounts.Expert", on_delete=models.PROTECT, related_name="assignments", db_index=False, db_constraint=False
    )
    # Of use while the claim is in hand; the vote names the session again, and there the database checks it.
    session = models.ForeignKey(
        Session,
        on_delete=models.SET_NULL,
        null=True,
        related_name="assignments",
        db_index=False,
        db_constraint=False,
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
            models.Index(fields=["round", "expert"], name="assignment_in_hand", condition=models.Q(state="claimed"))
        ]

    def __str__(self) -> str:
        return f"{self.expert}: {self.sample}"


# What a vote repeats of its assignment, which no delete can reach while a vote names it.
REPEATED: dict[str, Any] = {"on_delete": models.DO_NOTHING, "db_index": False, "db_constraint": False}


class Vote(models.Model):
    """Insert-only. A correction or a taking-back is a new revision; the latest counts. `id` is the sequence.

    The application's role has no right to UPDATE, DELETE or TRUNCATE this table (migration 0001). Campaign, round,
    sample and expert repeat the assignment's: a trigger compares them once per statement (migration 0005), where a
    foreign key for each would lock five rows per vote. `verify_seals` compares them again.
    """

    class Kind(models.TextChoices):
        ANSWER = "answer", _("answer")
        SKIP = "skip", _("skip")
        TAKEN_BACK = "taken_back", _("taken back")

    # Found by (assignment, revision), by round and by expert; by sample through its assignments.
    assignment = models.ForeignKey(
        Assignment, on_delete=models.PROTECT, related_name="votes", db_index=False, db_constraint=False
    )
    revision = models.PositiveSmallIntegerField(default=0)
    client_uuid = models.UUIDField(default=uuid.uuid4, unique=True)
    campaign = models.ForeignKey(Campaign, related_name="votes", **REPEATED)
    round = models.ForeignKey(Round, related_name="votes", **REPEATED)
    sample = models.ForeignKey("catalog.Sample", related_name="votes", **REPEATED)
    expert = models.ForeignKey("accounts.Expert", related_name="votes", **REPEATED)
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
        indexes = [
            models.Index(fields=["round", "id"], name="vote_of_round"),
            models.Index(fields=["expert", "id"], name="vote_of_expert"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.code or self.skip_reason}".strip()


class Seal(models.Model):
    """A link of a campaign's hash chain: the votes `first_vote`..`last_vote`, their number, and SHA-256 over all.

    `row_digests` holds 16 bytes per vote in the order of ids, so that a changed row can be named. Insert-only.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="seals")
    number = models.PositiveIntegerField()
    first_vote = models.BigIntegerField()
    last_vote = models.BigIntegerField()
    votes_count = models.PositiveIntegerField()
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    row_digests = models.BinaryField()
    sealed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="seal_number_once")]

    def __str__(self) -> str:
        return f"{self.campaign} seal {self.number}"
