"""The lock on every door that takes a password: five wrong ones in five minutes for each account, whoever tries.

A try is counted before the password is looked at, in one statement, so that tries at the same moment cannot pass
together. Names that nobody has are counted alike, and every refusal reads the same: nothing tells whether an account
exists. Addresses of clients play no part: they can be forged, and an attacker has many.
"""

import datetime
import hashlib
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from geoquorum.accounts.models import LoginTry, User
from geoquorum.accounts.sessions import read_user

MOST_TRIES = 5
WINDOW = datetime.timedelta(minutes=5)

# The row is anchored at the last counted try and begins anew only after a whole window of rest: then no five minutes
# can hold more than five. What is refused is not counted, so that refused tries keep nobody out for longer.
COUNT = """
INSERT INTO accounts_logintry AS old (digest, tries, last_at) VALUES (%(digest)s, 1, %(now)s)
ON CONFLICT (digest) DO UPDATE SET last_at = %(now)s,
    tries = CASE WHEN old.last_at < %(now)s - %(window)s THEN 1 ELSE old.tries + 1 END
WHERE old.tries < %(most)s OR old.last_at < %(now)s - %(window)s
RETURNING tries
"""


class GuardedBackend(ModelBackend):
    """Django's own check of names and passwords behind the count of tries; used by the pages and the administration."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **fields: Any
    ) -> User | None:
        if username is None or password is None:
            return None
        if not count_try(username):
            raise PermissionDenied
        user = super().authenticate(request, username=username, password=password)
        if user is not None:
            forgive_tries(username)
        return user

    def get_user(self, user_id: int) -> User | None:
        return read_user(user_id)


def count_try(username: str) -> bool:
    """Counts a try of this account; False when it must not be made."""
    values = {"digest": _digest(username), "now": timezone.now(), "window": WINDOW, "most": MOST_TRIES}
    with connection.cursor() as cursor:
        cursor.execute(COUNT, values)
        return cursor.fetchone() is not None


def forgive_tries(username: str) -> None:
    """The right password came: the count begins anew."""
    LoginTry.objects.filter(digest=_digest(username)).delete()


def forget_tries() -> int:
    """Housekeeping: removes counts whose window is over; answers how many."""
    return LoginTry.objects.filter(last_at__lt=timezone.now() - WINDOW).delete()[0]


def _digest(username: str) -> str:
    return hashlib.sha256(username.encode()).hexdigest()
