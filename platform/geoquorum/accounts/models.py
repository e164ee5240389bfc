"""People, projects, roles, pseudonyms, grants and the record of what was done."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """An account. Votes never name it: they name an Expert."""


class Role(models.TextChoices):
    EXPERT = "expert", _("expert")
    CURATOR = "curator", _("curator")
    ADMIN = "admin", _("admin")


class Project(models.Model):
    """Owner of everything: regions, samples, campaigns, versions, runs. `is_simulated` marks made-up worlds."""

    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    description = models.TextField(blank=True)
    is_simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One person's role in one project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="membership_one_role_each")]

    def __str__(self) -> str:
        return f"{self.user} {self.role} of {self.project}"


class Expert(models.Model):
    """A pseudonym under which votes are cast in one project; people, simulated experts and models have one each.

    Outside accounts only the pseudonym is seen; when the account is erased the pseudonym and its votes stay.
    """

    class Kind(models.TextChoices):
        PERSON = "person", _("person")
        SIMULATED = "simulated", _("simulated")
        MODEL = "model", _("model")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="experts")
    pseudonym = models.CharField(max_length=40)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSON)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="experts"
    )
    preferences = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "pseudonym"], name="expert_pseudonym_once"),
            models.UniqueConstraint(fields=["project", "user"], name="expert_one_per_person"),
        ]

    def __str__(self) -> str:
        return self.pseudonym


class Grant(models.Model):
    """An explicit sharing of one object (a region, a version, a run) with another project, for reading."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="grants_given")
    to_project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="grants_received")
    subject_kind = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=40)
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["to_project", "subject_kind", "subject_id"], name="grant_once"),
            models.CheckConstraint(condition=~models.Q(project=models.F("to_project")), name="grant_to_another"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_kind} {self.subject_id} to {self.to_project}"


class Token(models.Model):
    """A program's key to one project, with no more rights than its owner has there now. Only its SHA-256 is kept.

    A token can neither change a password nor make tokens. `prefix` is its first characters, to tell tokens apart.
    """

    class Scope(models.TextChoices):
        READ = "read", _("read campaigns, samples and results")
        VOTE = "vote", _("claim samples and vote")
        IMPORT = "import", _("bring in samples and votes")
        EXPORT = "export", _("take out votes and versions")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope))
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class LoginTry(models.Model):
    """Passwords tried lately for one account name; the name itself is not kept, nor who tried."""

    digest = models.CharField(max_length=64, primary_key=True)
    tries = models.PositiveSmallIntegerField()
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.digest[:8]}: {self.tries}"


class Event(models.Model):
    """Append-only record of who did what; the application's role can neither change nor delete it."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, null=True, related_name="events")
    # No constraint: an erased account must not ask for a change of this table.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=120, blank=True)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
