"""Rights, pseudonyms and the record of what was done. Strangers learn nothing, not even that a thing exists."""

import secrets
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _

from fusion.errors import BadInputError
from geoquorum.accounts.models import Event, Expert, Membership, Project, Role, User

RANK = {Role.EXPERT: 0, Role.CURATOR: 1, Role.ADMIN: 2}


def projects_of(user: User) -> QuerySet[Project]:
    """Projects in which this person has a role; staff and superusers get no more than others here.

    Who came with a token has its project alone.
    """
    found = Project.objects.filter(memberships__user=user).order_by("name")
    token = getattr(user, "token", None)
    return found if token is None else found.filter(pk=token.project_id)


def membership(*, user: User, project: Project) -> Membership | None:
    """This person's role in this project, if any; none in other projects for who came with a token."""
    if not user.is_authenticated or is_outside_token(user, project):
        return None
    return Membership.objects.filter(user=user, project=project).first()


def is_outside_token(user: User, project: Project) -> bool:
    """Whether the request came with a token of another project."""
    token = getattr(user, "token", None)
    return token is not None and token.project_id != project.pk


def has_role(*, user: User, project: Project, minimum: str) -> bool:
    """Whether this person is at least an expert, a curator or an admin here."""
    found = membership(user=user, project=project)
    return found is not None and RANK[Role(found.role)] >= RANK[Role(minimum)]


def require_role(*, user: User, project: Project, minimum: str) -> Membership:
    """The membership, or 404 for strangers and 403 for members whose role is too low."""
    found = membership(user=user, project=project)
    if found is None:
        raise Http404
    if RANK[Role(found.role)] < RANK[Role(minimum)]:
        raise PermissionDenied(_("This needs the role %(role)s in this project.") % {"role": Role(minimum).label})
    return found


def refuse_former(*, user: User | None, project: Project, minimum: str) -> None:
    """Before a job does what somebody asked for: refuses when that person may no longer ask. None is the program."""
    if user is not None and not (user.is_active and has_role(user=user, project=project, minimum=minimum)):
        raise BadInputError(_("Who asked for this may no longer do so in this project; ask for it again."))


def expert_of(*, user: User, project: Project) -> Expert:
    """The pseudonym under which this person votes here, made when first needed."""
    found = Expert.objects.filter(project=project, user=user).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            return Expert.objects.create(project=project, user=user, pseudonym=f"X{secrets.token_hex(4)}")
    except IntegrityError:
        return Expert.objects.get(project=project, user=user)


def add_member(*, project: Project, user: User, role: str, by: User | None) -> Membership:
    """Gives a person a role, or changes it."""
    found, _created = Membership.objects.update_or_create(project=project, user=user, defaults={"role": Role(role)})
    record(project=project, actor=by, action="role given", subject=f"user {user.pk}", detail={"role": role})
    return found


def record(
    *, project: Project | None, actor: User | None, action: str, subject: str = "", detail: dict[str, Any] | None = None
) -> Event:
    """Writes one line of the append-only record."""
    return Event.objects.create(project=project, actor=actor, action=action, subject=subject, detail=detail or {})
