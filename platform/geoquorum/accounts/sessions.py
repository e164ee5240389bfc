"""Who is signed in, read with every request: Django's sessions in the database, by statements that are planned once."""

from typing import Any

from django.contrib.sessions.backends import db

from geoquorum.accounts.models import User
from geoquorum.statements import fetch_row

SESSION = """
SELECT session_data FROM django_session WHERE session_key = %(key)s AND expire_date > clock_timestamp()
"""
COLUMNS = [field.attname for field in User._meta.concrete_fields]
USER = f"SELECT {', '.join(COLUMNS)} FROM {User._meta.db_table} WHERE id = %(user)s AND is_active"


class SessionStore(db.SessionStore):
    """Differs from Django's in the reading alone; a session deleted is over at once."""

    def load(self) -> dict[str, Any]:
        row = fetch_row(SESSION, {"key": self.session_key})
        if row is None:
            self._session_key = None
            return {}
        return self.decode(row["session_data"])


def read_user(user_id: int) -> User | None:
    """The account, unless it is gone or switched off."""
    row = fetch_row(USER, {"user": user_id})
    return None if row is None else User.from_db("default", COLUMNS, list(row.values()))
