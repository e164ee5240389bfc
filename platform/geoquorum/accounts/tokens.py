"""Tokens: a program's key to one project, with no more rights than its owner has there now. Only SHA-256 is kept."""

import datetime
import hashlib
import secrets
from collections.abc import Iterable

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from fusion.errors import BadInputError
from geoquorum.accounts.models import Membership, Project, Token, User
from geoquorum.accounts.services import record

PREFIX = "gq_"
SHOWN = 9  # characters kept to tell tokens apart: the prefix and 36 bits
LONGEST_DAYS = 366
NOTED_EVERY = datetime.timedelta(minutes=1)


def make_token(*, user: User, project: Project, name: str, scopes: Iterable[str], days: int = 90) -> tuple[Token, str]:
    """The row and the token itself, which nobody can show again. The owner must be a member of the project."""
    chosen = sorted(set(scopes))
    if not Membership.objects.filter(user=user, project=project).exists():
        raise BadInputError(_("A token can be made for one of your own projects only."))
    if not chosen or not set(chosen) <= set(Token.Scope.values):
        raise BadInputError(_("Choose what the token may do: %(scopes)s.") % {"scopes": ", ".join(Token.Scope.values)})
    if not 1 <= days <= LONGEST_DAYS:
        raise BadInputError(_("A token lasts from 1 to %(days)d days.") % {"days": LONGEST_DAYS})
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token.objects.create(
        user=user,
        project=project,
        name=name,
        prefix=secret[:SHOWN],
        digest=digest_of(secret),
        scopes=chosen,
        expires_at=timezone.now() + datetime.timedelta(days=days),
    )
    record(project=project, actor=user, action="token made", subject=f"token {token.pk}", detail={"scopes": chosen})
    return token, secret


def find_token(secret: str) -> Token | None:
    """The token with its owner, unless it is unknown, revoked, over, or its owner's account is not active."""
    found = valid_tokens().select_related("user", "project").filter(digest=digest_of(secret)).first()
    if found is None:
        return None
    now = timezone.now()
    if found.last_used_at is None or now - found.last_used_at > NOTED_EVERY:
        Token.objects.filter(pk=found.pk).update(last_used_at=now)
    found.user.token = found
    return found


def valid_tokens() -> QuerySet[Token]:
    """Tokens that open something today."""
    is_in_time = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return Token.objects.filter(is_in_time, revoked_at=None, user__is_active=True)


def revoke_token(*, token: Token, by: User) -> None:
    """From now on the token opens nothing; a second call changes nothing."""
    if Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        record(project=token.project, actor=by, action="token revoked", subject=f"token {token.pk}")


def require_scope(request: HttpRequest, scope: str) -> None:
    """Refuses a token without this scope; who is signed in with a browser has no scopes to lack."""
    token = getattr(request.user, "token", None)
    if token is not None and scope not in token.scopes:
        raise PermissionDenied(_("This token lacks the scope %(scope)s.") % {"scope": scope})


def digest_of(secret: str) -> str:
    """SHA-256; a token is random enough (256 bits) to need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
