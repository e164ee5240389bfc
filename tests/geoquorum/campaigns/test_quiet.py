"""Votes that stop are noticed within five minutes (row G12), and a pause, an end or a few people raise no alarm."""

import json
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from geoquorum.accounts.models import Event
from geoquorum.accounts.services import expert_of
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Assignment, Session, Vote
from geoquorum.campaigns.services import quiet
from tests import given

pytestmark = pytest.mark.django_db


class Room:
    """Some people who vote at once, each with samples in hand."""

    def __init__(self, people=3, kind="person"):
        self.project = given.project()
        self.campaign = given.campaign(self.project, count=60, quota=5)
        self.round = services.current_round(campaign=self.campaign)
        self.users = [given.member(self.project) for _ in range(people)]
        self.experts = [expert_of(user=user, project=self.project) for user in self.users]
        self.campaign.project.experts.update(kind=kind)
        for expert in self.experts:
            self.vote(expert, 6)

    def vote(self, expert, count):
        held = services.claim(round=self.round, expert=expert, session=None, count=count + 2)
        for one in held[:count]:
            ballot = services.Ballot(assignment=one.pk, client_uuid=uuid.uuid4(), code="6")
            services.cast_vote(campaign=self.campaign, expert=expert, ballot=ballot)

    def let_pass(self, seconds):
        """The clock, moved by moving what it is compared with."""
        for row in Vote.objects.filter(campaign=self.campaign):
            Vote.objects.filter(pk=row.pk).update(received_at=row.received_at - timedelta(seconds=seconds))


def test_a_broken_save_path_is_noticed_within_five_minutes(monkeypatch, caplog):
    room = Room()
    assert quiet.warn_of_silence() == {"silent": 0}
    monkeypatch.setattr("geoquorum.campaigns.services.voting.WRITE", "SELECT no_such_column FROM campaigns_vote")
    client = Client(raise_request_exception=False)
    client.force_login(room.users[0])
    held = Assignment.objects.filter(expert=room.experts[0], state="claimed").first()
    ballot = {"assignment": held.pk, "client_uuid": str(uuid.uuid4()), "code": "6"}
    stored = Vote.objects.count()
    answer = client.post(f"/campaigns/{room.campaign.pk}/votes/", json.dumps(ballot), content_type="application/json")
    assert (answer.status_code >= 500, Vote.objects.count()) == (True, stored)
    room.let_pass(quiet.QUIET_S + 5)
    assert quiet.QUIET_S + 5 < 300
    assert quiet.warn_of_silence() == {"silent": 1}
    assert f"campaign {room.campaign.pk}: 3 people who were voting" in caplog.text
    event = Event.objects.get(action="votes stopped")
    assert (event.project, event.subject) == (room.project, f"campaign {room.campaign.pk}")
    assert event.detail["people"] == 3


def test_one_silence_is_one_alarm_and_the_next_is_another():
    room = Room()
    room.let_pass(200)
    assert [quiet.warn_of_silence()["silent"] for _ in range(3)] == [1, 0, 0]
    Event.objects.filter(action="votes stopped").update(at=timezone.now() - timedelta(seconds=2_000))
    room.let_pass(1_800)
    for expert in room.experts:
        room.vote(expert, 6)
    assert quiet.warn_of_silence() == {"silent": 0}
    Vote.objects.filter(received_at__gt=timezone.now() - timedelta(seconds=60)).update(
        received_at=timezone.now() - timedelta(seconds=200)
    )
    assert quiet.warn_of_silence() == {"silent": 1}


@pytest.mark.parametrize("kind", ["simulated", "model"])
def test_programs_may_stop_at_any_time(kind):
    Room(kind=kind).let_pass(200)
    assert quiet.warn_of_silence() == {"silent": 0}


def test_two_people_who_go_for_a_coffee_raise_no_alarm():
    Room(people=2).let_pass(200)
    assert quiet.warn_of_silence() == {"silent": 0}


def test_who_ended_the_sitting_or_has_nothing_left_is_not_missed():
    room = Room()
    Assignment.objects.filter(expert=room.experts[0], state="claimed").update(state="released", slot=None)
    room.let_pass(200)
    assert quiet.warn_of_silence() == {"silent": 0}
    other = Room()
    Session.objects.create(campaign=other.campaign, expert=other.experts[0], ended_at=timezone.now())
    other.let_pass(200)
    assert quiet.warn_of_silence() == {"silent": 0}


def test_people_who_stop_one_after_the_other_raise_no_alarm():
    room = Room()
    for number, expert in enumerate(reversed(room.experts)):
        early = timezone.now() - timedelta(seconds=120 * number)
        Vote.objects.filter(expert=expert).update(received_at=early)
    room.let_pass(200)
    assert quiet.warn_of_silence() == {"silent": 0}


def test_a_closed_campaign_and_one_that_fell_silent_long_ago_are_left_alone():
    room = Room()
    room.let_pass(quiet.LATEST_S + 5)
    assert quiet.warn_of_silence() == {"silent": 0}
    closed = Room()
    services.close_campaign(campaign=closed.campaign, by=None)
    closed.let_pass(200)
    assert quiet.warn_of_silence() == {"silent": 0}


def test_while_votes_come_in_it_costs_one_statement(monkeypatch):
    Room()
    asked = []
    monkeypatch.setattr(quiet, "fetch_rows", lambda *values: asked.append(values[0]) or fetch(*values))
    with CaptureQueriesContext(connection) as others:
        assert quiet.warn_of_silence() == {"silent": 0}
    assert (len(asked), len(others)) == (1, 0)


fetch = quiet.fetch_rows
