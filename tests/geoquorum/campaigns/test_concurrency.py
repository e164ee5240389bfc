"""Many experts at once, on a real PostgreSQL: quotas hold, nothing is doubled, every vote is counted or refused."""

import json
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.utils import ProgrammingError
from django.test import Client
from django.urls import reverse

from geoquorum.campaigns import services
from geoquorum.campaigns.models import Assignment, RoundSample, Vote
from geoquorum.campaigns.services import Ballot, RefusedError
from tests import given

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS = 64


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    """No Valkey runs under the tests, and waiting for one would be timed as part of the close."""
    monkeypatch.setattr("geoquorum.queue.outbox.publish", lambda job: None)


def run_together(functions):
    """Results of functions that start at the same moment, each in a thread with a connection of its own."""
    barrier = threading.Barrier(len(functions))

    def start(function):
        barrier.wait()
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result() for future in [pool.submit(start, function) for function in functions]]


def vote_on(campaign, expert, assignment, code="3"):
    ballot = Ballot(assignment=assignment.pk, client_uuid=uuid.uuid4(), code=code)
    return services.cast_vote(campaign=campaign, expert=expert, ballot=ballot)


def vote_until_nothing_is_left(round, expert):
    campaign, votes = round.campaign, 0
    while claimed := services.claim(round=round, expert=expert, session=None, count=3):
        for assignment in claimed:
            vote_on(campaign, expert, assignment)
            votes += 1
    return votes


def fill_round(samples=100, quota=3):
    """One round filled by all writers at once, and what must be true of it then."""
    campaign = given.campaign(given.project(), count=samples, quota=quota)
    round = services.current_round(campaign=campaign)
    experts = [given.expert(campaign.project) for _ in range(WRITERS)]
    cast = run_together([lambda expert=expert: vote_until_nothing_is_left(round, expert) for expert in experts])
    assert sum(cast) == samples * quota
    votes = Counter(Vote.objects.filter(round=round).values_list("sample", flat=True))
    assert set(votes.values()) == {quota}
    assert len(votes) == samples
    pairs = Counter(Vote.objects.filter(round=round).values_list("sample", "expert"))
    assert max(pairs.values()) == 1
    assert set(RoundSample.objects.filter(round=round).values_list("slots_taken", flat=True)) == {quota}
    assert not Assignment.objects.filter(round=round).exclude(state="answered").exists()


def test_64_writers_fill_a_round_exactly():
    fill_round()


@pytest.mark.slow
def test_64_writers_fill_twenty_rounds_exactly():
    for _ in range(20):
        fill_round()


@pytest.mark.slow
def test_fifty_equal_posts_at_once_are_one_vote_with_one_receipt():
    project = given.project()
    campaign = given.campaign(project)
    user = given.member(project)
    clients = [Client() for _ in range(50)]
    for client in clients:
        client.force_login(user)
    claimed = clients[0].post(reverse("campaigns:claim", args=[campaign.pk]), {}, content_type="application/json")
    ballot = {"assignment": claimed.json()["assignments"][0]["id"], "client_uuid": str(uuid.uuid4()), "code": "A"}
    sessions = [
        clients[0].post(reverse("campaigns:session", args=[campaign.pk]), {}, content_type="application/json").json()
        for _ in range(2)
    ]

    def post(index):
        body = json.dumps(ballot | {"session": sessions[index % 2]["session"]})
        url = reverse("campaigns:cast", args=[campaign.pk])
        return clients[index].post(url, body, content_type="application/json")

    answers = run_together([lambda index=index: post(index) for index in range(50)])
    assert {answer.status_code for answer in answers} == {200}
    assert len({json.dumps(answer.json()["receipt"]) for answer in answers}) == 1
    assert Vote.objects.count() == 1


def test_one_client_id_for_two_samples_at_once_is_one_vote():
    campaign = given.campaign(given.project())
    expert = given.expert(campaign.project)
    round = services.current_round(campaign=campaign)
    claimed = services.claim(round=round, expert=expert, session=None, count=8)
    used = uuid.uuid4()

    def cast(assignment):
        try:
            ballot = Ballot(assignment=assignment.pk, client_uuid=used, code="A")
            return services.cast_vote(campaign=campaign, expert=expert, ballot=ballot)
        except RefusedError as error:
            return error

    results = run_together([lambda assignment=assignment: cast(assignment) for assignment in claimed])
    refused = [result for result in results if isinstance(result, RefusedError)]
    assert (len(refused), Vote.objects.count()) == (7, 1)
    assert all("already names another vote" in str(error) for error in refused)


def test_one_expert_in_two_windows_gets_no_sample_twice():
    campaign = given.campaign(given.project(), count=30, quota=1)
    expert = given.expert(campaign.project)
    round = services.current_round(campaign=campaign)
    claim = [lambda: services.claim(round=round, expert=expert, session=None, count=5) for _ in range(8)]
    for _ in range(5):
        run_together(claim)
    assert Assignment.objects.count() == RoundSample.objects.filter(slots_taken=1).count() <= 30


def test_every_vote_around_the_close_is_counted_or_refused():
    campaign = given.campaign(given.project(), count=200, quota=3)
    round = services.current_round(campaign=campaign)
    experts = [given.expert(campaign.project) for _ in range(20)]
    hands = [(each, services.claim(round=round, expert=each, session=None, count=10)) for each in experts]
    counted, refused, took = [], [], []

    def cast(expert, claimed):
        for assignment in claimed:
            try:
                counted.append(vote_on(campaign, expert, assignment).vote)
            except RefusedError as error:
                refused.append(str(error))

    def close():
        time.sleep(0.15)
        started = time.monotonic()
        services.close_campaign(campaign=campaign, by=None)
        took.append(time.monotonic() - started)

    run_together([*(lambda hand=hand: cast(*hand) for hand in hands), close])
    assert len(counted) + len(refused) == 200
    assert set(counted) == set(Vote.objects.values_list("pk", flat=True))
    assert len(services.latest_votes(round=round)) == len(counted)
    assert set(refused) <= {"This campaign is closed; its votes are final."}
    assert counted
    assert refused
    assert took[0] < 5
    campaign.refresh_from_db()
    assert not Vote.objects.filter(received_at__gt=campaign.closed_at).exists()
    assert not Assignment.objects.filter(state="claimed").exists()


def as_application(statement):
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE geoquorum_app")
        try:
            cursor.execute(statement)
        finally:
            cursor.execute("RESET ROLE")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE campaigns_vote SET code = '1'",
        "DELETE FROM campaigns_vote",
        "TRUNCATE campaigns_vote CASCADE",
        "UPDATE campaigns_vote SET received_at = now() WHERE false",
    ],
)
def test_the_application_can_neither_change_nor_delete_votes(statement):
    campaign = given.campaign(given.project())
    expert = given.expert(campaign.project)
    round = services.current_round(campaign=campaign)
    vote_on(campaign, expert, services.claim(round=round, expert=expert, session=None)[0])
    with pytest.raises(ProgrammingError, match="permission denied"):
        as_application(statement)
    assert Vote.objects.get().code == "3"


def test_the_application_may_do_all_that_voting_needs():
    campaign = given.campaign(given.project(), count=2, quota=1)
    expert = given.expert(campaign.project)
    round = services.current_round(campaign=campaign)
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE geoquorum_app")
        try:
            vote_until_nothing_is_left(round, expert)
            services.close_campaign(campaign=campaign, by=None)
            assert len(services.latest_votes(round=round)) == 2
        finally:
            cursor.execute("RESET ROLE")


def test_the_database_itself_refuses_a_place_beyond_the_quota():
    campaign = given.campaign(given.project(), count=1, quota=1)
    round = services.current_round(campaign=campaign)
    sample = round.round_samples.get().sample
    fields = {"campaign": campaign, "round": round, "sample": sample}
    for slot, quota, name in [(1, 1, "slot_below_quota"), (1, 2, "place_is_the_rounds")]:
        with pytest.raises(Exception, match=name):
            Assignment.objects.create(**fields, expert=given.expert(campaign.project), quota=quota, slot=slot)
