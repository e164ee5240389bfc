"""How one enters the API: with a token in the Authorization header, or signed in with a browser."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.errors import AuthenticationError
from ninja.security import HttpBearer, SessionAuth

from geoquorum.accounts.models import Token, User
from geoquorum.accounts.tokens import find_token, require_scope

SAFE = ("GET", "HEAD", "OPTIONS")


class Bearer(HttpBearer):
    """`Authorization: Bearer gq_...`; the request's user is then the token's owner, limited to the token's project."""

    openapi_description = "A token made on the account page, with the scope that the operation needs."

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Any:
        """A request with an Authorization header stands or falls with it: its cookies do not count."""
        if "Authorization" not in request.headers:
            return None
        found = super().__call__(request)
        if found is None:
            request.user = AnonymousUser()
            raise AuthenticationError
        return found

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        found = find_token(token)
        if found is None:
            return None
        request.user = found.user
        if self.scope == Token.Scope.READ and request.method not in SAFE:
            raise PermissionDenied(_("No token may do this; sign in with a browser."))
        require_scope(request, self.scope)
        return found.user


class SignedIn(SessionAuth):
    """Signed in with a browser; what changes something needs the CSRF token in `X-CSRFToken`."""

    csrf = True
    openapi_description = "The session of the pages; requests that change something send X-CSRFToken."

    def __call__(self, request: HttpRequest) -> Any:
        """Who is signed out hears that, and not that a CSRF token is missing."""
        return super().__call__(request) if request.user.is_authenticated else None


def enter(scope: str = Token.Scope.READ) -> list[Any]:
    """Both doors, for operations that need this scope of a token; `read` never opens what changes something."""
    return [Bearer(scope), SignedIn()]
