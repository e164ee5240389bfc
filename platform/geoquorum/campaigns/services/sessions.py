"""Sittings: start, pauses and end, timed by the database's clock."""

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import Campaign, Session
from geoquorum.campaigns.services.refusal import RefusedError

ADD_PAUSE = """
UPDATE campaigns_session SET
  paused_s = paused_s + extract(epoch FROM clock_timestamp() - (pauses -> -1 ->> 'from')::timestamptz)::int,
  pauses = jsonb_set(pauses, ARRAY[(jsonb_array_length(pauses) - 1)::text, 'to'], to_jsonb(clock_timestamp()))
WHERE id = %s AND pauses -> -1 ->> 'to' IS NULL AND jsonb_array_length(pauses) > 0
"""
START_PAUSE = """
UPDATE campaigns_session SET pauses = pauses || jsonb_build_array(jsonb_build_object('from', clock_timestamp()))
WHERE id = %s AND (jsonb_array_length(pauses) = 0 OR pauses -> -1 ->> 'to' IS NOT NULL)
"""


def start_session(*, campaign: Campaign, expert: Expert, device: str = "", interface_version: str = "") -> Session:
    """A new sitting; a second window may have one of its own."""
    return Session.objects.create(
        campaign=campaign,
        expert=expert,
        device=device[:200],
        interface_version=interface_version[:40],
    )


def find_session(*, campaign: Campaign, expert: Expert, session: int) -> Session:
    """This expert's own sitting in this campaign; others' do not exist for them."""
    found = Session.objects.filter(pk=session, campaign=campaign, expert=expert).first()
    if found is None:
        raise RefusedError("This sitting is not yours or not of this campaign; start a new one.", status=404)
    return found


@transaction.atomic
def pause_session(*, session: Session) -> Session:
    """Begin a pause; a second call changes nothing."""
    return _run(session, START_PAUSE)


@transaction.atomic
def resume_session(*, session: Session) -> Session:
    """End the running pause and add its seconds; without one, nothing changes."""
    return _run(session, ADD_PAUSE)


@transaction.atomic
def end_session(*, session: Session) -> Session:
    """End a sitting and the pause it may be in; the first end stays."""
    _run(session, ADD_PAUSE)
    Session.objects.filter(pk=session.pk).update(ended_at=Coalesce(F("ended_at"), Now()), seen_at=Now())
    session.refresh_from_db()
    return session


def _run(session: Session, statement: str) -> Session:
    with connection.cursor() as cursor:
        cursor.execute(statement, [session.pk])
    session.refresh_from_db()
    return session
