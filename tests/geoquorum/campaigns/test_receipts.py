"""Nothing is lost and nothing doubled: lost replies, wrong clocks, too many votes at once (rows G2, G4, G10, G12)."""

import datetime
import http.client
import json
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from geoquorum.campaigns import services
from geoquorum.campaigns.models import Participation, RoundSample, Vote
from geoquorum.campaigns.services import Ballot, RefusedError
from tests import given

DAY = datetime.timedelta(days=1)


def claim_all(campaign, expert, count=50):
    return services.claim(round=services.current_round(campaign=campaign), expert=expert, session=None, count=count)


def cast(campaign, expert, assignment, **fields):
    ballot = Ballot(**{"assignment": assignment.pk, "client_uuid": uuid.uuid4(), "code": "6"} | fields)
    return services.cast_vote(campaign=campaign, expert=expert, ballot=ballot)


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_a_hundred_votes_whose_replies_were_cut_off_are_stored_once_each(live_server):
    project = given.project()
    campaign = given.campaign(project, count=100, quota=1)
    client = Client()
    client.force_login(given.member(project))
    csrf = "c" * 32
    headers = {
        "Cookie": f"sessionid={client.cookies['sessionid'].value}; csrftoken={csrf}",
        "X-CSRFToken": csrf,
        "Content-Type": "application/json",
    }
    address = (live_server.thread.host, live_server.thread.port)

    def post(name, body, *, is_cut=False):
        link = http.client.HTTPConnection(*address, timeout=20)
        link.request("POST", reverse(f"campaigns:{name}", args=[campaign.pk]), json.dumps(body), headers)
        if is_cut:
            link.sock.shutdown(socket.SHUT_RDWR)
            return link.close()
        answer = json.loads(link.getresponse().read())
        link.close()
        return answer

    for _ in range(2):
        claimed = post("claim", {"count": 50})["assignments"]
        ballots = [{"assignment": one["id"], "client_uuid": str(uuid.uuid4()), "code": "6"} for one in claimed]
        for ballot in ballots:
            post("cast", ballot, is_cut=True)
        for ballot in ballots:
            receipt = post("cast", ballot)["receipt"]
            assert Vote.objects.get(client_uuid=ballot["client_uuid"]).pk == receipt["vote"]
    assert Vote.objects.count() == 100
    assert set(RoundSample.objects.values_list("slots_taken", "answered")) == {(1, 1)}


@pytest.mark.django_db(transaction=True)
def test_receipts_of_all_clients_are_the_rows():
    campaign = given.campaign(given.project(), count=40, quota=8)
    experts = [given.expert(campaign.project) for _ in range(8)]
    barrier = threading.Barrier(8)

    def work(expert):
        barrier.wait()
        try:
            receipts = []
            while claimed := claim_all(campaign, expert, 5):
                receipts += [cast(campaign, expert, each) for each in claimed]
                receipts.append(cast(campaign, expert, claimed[0], code="A"))
            return receipts
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        receipts = [receipt for done in pool.map(work, experts) for receipt in done]
    rows = {(row.pk, row.client_uuid, row.code, row.received_at) for row in Vote.objects.all()}
    assert {(each.vote, each.client_uuid, each.code, each.received_at) for each in receipts} == rows
    assert len(receipts) == len(rows) > 8 * 40
    counts = Participation.objects.values_list("answered", "skipped", "claims")
    assert set(counts) == {(40, 0, 40)}


@pytest.mark.django_db
def test_the_clients_clock_is_kept_and_decides_nothing():
    campaign = given.campaign(given.project(), count=40)
    expert = given.expert(campaign.project)
    receipts = []
    for number, assignment in enumerate(claim_all(campaign, expert, 40)):
        told = timezone.now() + (DAY if number % 2 else -DAY)
        receipts.append(cast(campaign, expert, assignment, shown_at=told, decided_at=told))
    rows = list(Vote.objects.order_by("received_at"))
    assert [row.pk for row in rows] == [receipt.vote for receipt in receipts]
    assert [row.pk for row in Vote.objects.order_by("decided_at")] != [row.pk for row in rows]
    assert all(abs(row.received_at - timezone.now()) < datetime.timedelta(minutes=1) for row in rows)


@pytest.mark.django_db
def test_the_hour_that_comes_twice_when_clocks_go_back_is_two_hours():
    """Shown a second before the change and decided a second after it: two seconds of looking, an hour on the wall."""
    summer, winter = (datetime.timezone(datetime.timedelta(hours=hours)) for hours in (2, 1))
    campaign = given.campaign(given.project(), count=2)
    expert = given.expert(campaign.project)
    first, second = claim_all(campaign, expert, 2)
    shown, decided = datetime.datetime(2026, 10, 25, 2, 59, 59), datetime.datetime(2026, 10, 25, 2, 0, 1)
    cast(campaign, expert, first, shown_at=shown.replace(tzinfo=summer), decided_at=decided.replace(tzinfo=winter))
    cast(campaign, expert, second, shown_at=shown.replace(tzinfo=winter), decided_at=decided.replace(tzinfo=summer))
    votes = services.latest_votes(round=services.current_round(campaign=campaign))
    seconds = dict(zip((votes.sample_ids[place] for place in votes.sample), votes.seconds.tolist(), strict=True))
    assert seconds == {first.sample_id: 2.0, second.sample_id: 0.0}  # the second clock went backwards: no time at all
    ids = list(Vote.objects.order_by("received_at").values_list("assignment", flat=True))
    assert ids == [first.pk, second.pk]


@pytest.mark.django_db
def test_a_clock_that_lies_a_day_ahead_brings_no_vote_past_the_close():
    campaign = given.campaign(given.project())
    expert = given.expert(campaign.project)
    first, second = claim_all(campaign, expert, 2)
    cast(campaign, expert, first, decided_at=timezone.now() + DAY)
    services.close_campaign(campaign=campaign, by=None)
    with pytest.raises(RefusedError, match="closed"):
        cast(campaign, expert, second, decided_at=timezone.now() - DAY)
    assert len(services.latest_votes(round=services.current_round(campaign=campaign))) == 1


@pytest.mark.slow
@pytest.mark.django_db
def test_a_thousand_votes_of_one_account_are_cut_to_the_pace_of_a_person(settings):
    settings.VOTES_PER_S = 3.0
    campaign = given.campaign(given.project())
    expert = given.expert(campaign.project)
    (assignment,) = claim_all(campaign, expert, 1)
    started, refused = time.monotonic(), []
    for _ in range(1_000):
        try:
            cast(campaign, expert, assignment)
        except RefusedError as error:
            refused.append((error.status, str(error)))
    most = 30 + 3 * (time.monotonic() - started)
    assert 30 <= Vote.objects.count() <= most + 1
    assert Vote.objects.count() + len(refused) == 1_000
    assert set(refused) == {(429, "That was faster than a person looks; wait a moment and send this vote again.")}


@pytest.mark.django_db
def test_nobody_who_looks_for_two_seconds_is_ever_refused(settings):
    settings.VOTES_PER_S = 3.0
    campaign = given.campaign(given.project())
    expert = given.expert(campaign.project)
    (assignment,) = claim_all(campaign, expert, 1)
    for _ in range(200):
        cast(campaign, expert, assignment)
        Participation.objects.update(last_voted_at=timezone.now() - datetime.timedelta(seconds=2))
    assert Vote.objects.count() == 200


@pytest.mark.django_db
def test_the_same_ballot_again_costs_nothing_of_the_pace(settings):
    settings.VOTES_PER_S = 0.001
    campaign = given.campaign(given.project())
    expert = given.expert(campaign.project)
    (assignment,) = claim_all(campaign, expert, 1)
    ballot = Ballot(assignment=assignment.pk, client_uuid=uuid.uuid4(), code="6")
    receipts = {services.cast_vote(campaign=campaign, expert=expert, ballot=ballot) for _ in range(50)}
    assert len(receipts) == 1


@pytest.mark.django_db
def test_whoever_has_not_qualified_is_told_so():
    policy = {"kind": "fixed", "qualification": {"threshold": 0.7, "samples": 34, "tries": 3}}
    campaign = given.campaign(given.project(), policy=policy)
    expert = given.expert(campaign.project)
    with pytest.raises(RefusedError, match="Qualify first"):
        claim_all(campaign, expert, 1)
    campaign.standings.create(expert=expert, state="qualified")
    assert len(claim_all(campaign, expert, 1)) == 1


@pytest.mark.django_db
def test_progress_is_counted_as_votes_come_and_change():
    campaign = given.campaign(given.project(), count=7)
    expert = given.expert(campaign.project)
    first, second, third = claim_all(campaign, expert, 3)
    cast(campaign, expert, first)
    cast(campaign, expert, first, code="A")
    cast(campaign, expert, second, kind="skip", code="", skip_reason="1")
    cast(campaign, expert, third)
    cast(campaign, expert, third, kind="taken_back", code="")
    own = services.count_own(round=services.current_round(campaign=campaign), expert=expert)
    assert (own.answered, own.skipped, own.total) == (1, 1, 7)
    everybody = services.count_progress(round=services.current_round(campaign=campaign))
    assert (everybody.answered, everybody.skipped, everybody.experts) == (1, 1, 1)
