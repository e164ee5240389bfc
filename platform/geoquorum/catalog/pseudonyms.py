"""Keyed hashes of people's names: HMAC-SHA-256 with a key that lies outside the database.

Without the key no list of names can be tried against the stored hashes. They are still personal data, and differ
between projects, so that one person's posts cannot be joined across them.
"""

import hashlib
import hmac

from django.conf import settings

from fusion.errors import BadInputError
from geoquorum.accounts.models import Project

LEAST_KEY = 32


def hash_author(project: Project, handle: str) -> str:
    """64 hex digits for the handle of who wrote a post; its sign and its capitals make no difference."""
    return _hash("author", project, handle.strip().lstrip("@\uff20").casefold())


def hash_source(project: Project, source_id: str) -> str:
    """64 hex digits for the number that a post has where it came from."""
    return _hash("source", project, source_id.strip())


def _hash(kind: str, project: Project, name: str) -> str:
    if not name:
        return ""
    key = settings.GEOQUORUM_PSEUDONYM_KEY
    if len(key) < LEAST_KEY:
        raise BadInputError(
            f"GEOQUORUM_PSEUDONYM_KEY must hold at least {LEAST_KEY} random characters before posts can be taken in. "
            'Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))", and keep it: with another '
            "key the authors of posts that are here cannot be found again."
        )
    message = f"{kind}\0{project.pk}\0{name}".encode()
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()
