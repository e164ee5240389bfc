"""What is asked of whom: campaigns, their rounds, and the samples of each round."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class CampaignState(models.TextChoices):
    DRAFT = "draft", _("draft")
    OPEN = "open", _("open")
    CLOSED = "closed", _("closed")


class Campaign(models.Model):
    """A question put to people about samples. Question and scheme versions are those at the first vote.

    `lease_s` is how long a claim holds; `seed` fixes each expert's own order. `declared` keeps question and scheme as
    they were when the campaign opened, and `declared_digest` their SHA-256: votes keep their meaning whatever the code
    says later. `unblinded_at` is set where somebody looked at votes before the close. `chosen_by` tells which run and
    rule chose the samples, where no person did; it holds nothing of what the run answers.
    """

    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, related_name="campaigns")
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=80)
    question = models.CharField(max_length=60)
    question_version = models.PositiveSmallIntegerField(default=1)
    scheme = models.CharField(max_length=60)
    scheme_version = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=10, choices=CampaignState, default=CampaignState.DRAFT)
    declared = models.JSONField(null=True)
    declared_digest = models.CharField(max_length=64, blank=True)
    policy = models.JSONField(default=dict, blank=True)
    guide = models.TextField(blank=True)
    chosen_by = models.JSONField(default=dict, blank=True)
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
    """One round of a campaign; the first stays when a second comes. `quota` is the votes wanted, or the most.

    Gold, repeats and qualification are rounds beside the one that is voted on: an expert sees no difference.
    `model` holds what adaptive voting knows of classes and experts since its last refit, `model_version` counts refits.
    """

    class Purpose(models.TextChoices):
        VOTE = "vote", _("vote")
        QUALIFY = "qualify", _("qualification")
        GOLD = "gold", _("hidden gold")
        REPEAT = "repeat", _("hidden repeats")
        DISPUTE = "dispute", _("disputed samples again")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="rounds")
    number = models.PositiveSmallIntegerField(default=1)
    purpose = models.CharField(max_length=10, choices=Purpose, default=Purpose.VOTE)
    quota = models.PositiveSmallIntegerField()
    model = models.JSONField(null=True)
    model_version = models.PositiveIntegerField(default=0)
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
    """A sample that a round asks about, with the running posterior that closing, routing and settling use.

    `quota` repeats the round's; a foreign key of both columns holds it equal. `slots_taken` counts claims and answers,
    `answered` answers alone; `is_full` says that no place is left, so that the index of open samples changes once in a
    sample's life and not with every claim. `posterior` was made under the round's model of `model_version`: Dirichlet
    counts, or unnormalised logs in adaptive campaigns. `prompt` is what the question asks of this sample, where that
    differs ("is this LCZ 3?": "3").
    """

    # The unique constraints below begin with the round; (round, quota) refers to it (migration 0004).
    round = models.ForeignKey(
        Round, on_delete=models.CASCADE, related_name="round_samples", db_index=False, db_constraint=False
    )
    sample = models.ForeignKey("catalog.Sample", on_delete=models.PROTECT, related_name="round_samples")
    quota = models.PositiveSmallIntegerField()
    position = models.PositiveIntegerField(default=0)
    is_gold = models.BooleanField(default=False)
    prompt = models.CharField(max_length=40, blank=True)
    slots_taken = models.PositiveSmallIntegerField(default=0)
    answered = models.PositiveSmallIntegerField(default=0)
    is_full = models.BooleanField(default=False, db_default=False)
    model_version = models.PositiveIntegerField(default=0)
    posterior = ArrayField(models.FloatField(), null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["round", "sample"], name="round_sample_once")]
        indexes = [
            models.Index(
                fields=["round", "position"],
                name="round_sample_open",
                condition=models.Q(settled_at=None, is_full=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.sample} in {self.round}"
