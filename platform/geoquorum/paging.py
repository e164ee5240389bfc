"""Long lists in pages: a signed cursor says where the last page ended, so that rows that come or go shift nothing."""

from typing import Annotated, Any, Generic, TypeVar

from django.core import signing
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from ninja import Query, Schema

from fusion.errors import GeoquorumError

Item = TypeVar("Item")
MOST = 1_000
USUAL = 100

Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before; none for the first page")]
Limit = Annotated[int, Query(ge=1, le=MOST, description="rows of a page")]


class PageOut(Schema, Generic[Item]):
    """One page; `next` is the cursor of the page after it, or null."""

    items: list[Item]
    next: str | None


class BadCursorError(GeoquorumError):
    """A cursor that this list did not give."""


def cut_page(
    rows: QuerySet[Any], *, of: str, cursor: str | None, limit: int, key: str = "pk", is_newest_first: bool = False
) -> tuple[list[Any], str | None]:
    """The rows after the cursor, at most `limit`, and the cursor of the page after them.

    `key` is a unique integer column, `of` names the list: a cursor of another list is refused with 400.
    """
    if cursor is not None:
        rows = rows.filter(**{f"{key}__{'lt' if is_newest_first else 'gt'}": read_cursor(cursor, of=of)})
    found = list(rows.order_by(f"-{key}" if is_newest_first else key)[: limit + 1])
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], None if last is None else make_cursor(_read_key(last, key), of=of)


def make_cursor(place: int, *, of: str) -> str:
    """An opaque word for a place in a list."""
    return signing.dumps(place, salt=f"cursor/{of}")


def read_cursor(cursor: str, *, of: str) -> int:
    """The place that a cursor names; one that this list did not give is refused."""
    try:
        return int(signing.loads(cursor, salt=f"cursor/{of}"))
    except signing.BadSignature as error:
        raise BadCursorError(
            _("This cursor is not one of this list. Leave it out to begin at the first page.")
        ) from error


def _read_key(row: Model, key: str) -> int:
    """The value of a column such as `pk` or `sample` (a foreign key is its number)."""
    return int(getattr(row, row._meta.pk.attname if key == "pk" else row._meta.get_field(key).attname))
