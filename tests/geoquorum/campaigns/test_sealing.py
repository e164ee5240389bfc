"""Seals: whatever the owner of the database does to votes is found and named (rows G8 and G9)."""

import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyarrow as pa
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from geoquorum.campaigns import services
from geoquorum.campaigns.models import Seal, Vote
from geoquorum.campaigns.services import Ballot, sealing
from geoquorum.campaigns.services.chain import COLUMNS
from tests import given

TRIES = 20
CHANGES = {
    "code": "CASE code WHEN '1' THEN '2' ELSE '1' END",
    "answer": "'{\"box\": [0, 0, 1, 1]}'",
    "second_code": "'E'",
    "is_sure": "NOT is_sure",
    "shown_at": "now()",
    "decided_at": "now()",
    "received_at": "received_at + interval '1 microsecond'",
    "views_opened": "'{swir}'",
    "is_machine": "NOT is_machine",
    "client_uuid": "gen_random_uuid()",
}


@pytest.fixture(autouse=True)
def home(settings, tmp_path):
    """Files of links of this test alone."""
    settings.GEOQUORUM_HOME = tmp_path


def fill(votes=40, batches=4):
    """A campaign whose votes were sealed in some batches."""
    campaign = given.campaign(given.project(), count=votes, quota=2)
    expert, round = given.expert(campaign.project), services.current_round(campaign=campaign)
    for _ in range(batches):
        for claimed in services.claim(round=round, expert=expert, session=None, count=votes // batches):
            ballot = Ballot(assignment=claimed.pk, client_uuid=uuid.uuid4(), code="6")
            services.cast_vote(campaign=campaign, expert=expert, ballot=ballot)
        services.seal_campaign(campaign_id=campaign.pk)
    return campaign


@pytest.fixture
def campaign(db):
    return fill()


def tamper(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        assert cursor.rowcount != 0


def find_fault(campaign, statement, *values):
    """The verdict after a statement of the database's owner, which is undone again."""
    with transaction.atomic():
        tamper(statement, *values)
        verdict = services.verify_seals(campaign=campaign)
        transaction.set_rollback(True)
    return verdict


def pick(campaign, rng):
    return rng.choice(list(Vote.objects.filter(campaign=campaign).values_list("pk", flat=True)))


def test_untouched_votes_agree_with_their_seals(campaign):
    verdict = services.verify_seals(campaign=campaign)
    assert (verdict.is_good, verdict.votes, verdict.seals) == (True, 40, 4)


def test_every_column_of_a_vote_is_sealed():
    assert set(COLUMNS) == {field.column for field in Vote._meta.concrete_fields}


def test_every_changed_column_is_found_and_its_row_named(campaign):
    rng = random.Random(1)
    for number in range(TRIES):
        column = list(CHANGES)[number % len(CHANGES)]
        vote = pick(campaign, rng)
        verdict = find_fault(campaign, f"UPDATE campaigns_vote SET {column} = {CHANGES[column]} WHERE id = %s", vote)
        assert (verdict.is_good, verdict.vote) == (False, vote), column


def test_every_deleted_vote_is_found(campaign):
    rng, ids = random.Random(2), list(Vote.objects.order_by("pk").values_list("pk", flat=True))
    for _ in range(TRIES):
        vote = pick(campaign, rng)
        verdict = find_fault(campaign, "DELETE FROM campaigns_vote WHERE id = %s", vote)
        assert "gone" in verdict.fault
        if vote != ids[-1]:
            assert verdict.vote == ids[ids.index(vote) + 1]


def test_every_inserted_vote_is_found_and_named(campaign):
    rng, names = random.Random(3), ", ".join(name for name in COLUMNS if name not in ("id", "client_uuid", "revision"))
    tamper("UPDATE campaigns_vote SET id = -id WHERE campaign_id = %s", campaign.pk)
    tamper("UPDATE campaigns_vote SET id = -10 * id WHERE campaign_id = %s", campaign.pk)  # room between the numbers
    tamper("DELETE FROM campaigns_seal WHERE campaign_id = %s", campaign.pk)
    sealing.anchor_of(campaign.pk).unlink()
    services.seal_campaign(campaign_id=campaign.pk)
    for _ in range(TRIES):
        vote = pick(campaign, rng)
        insert = f"""INSERT INTO campaigns_vote (id, client_uuid, revision, {names})
            SELECT id - 3, gen_random_uuid(), revision + 1, {names} FROM campaigns_vote WHERE id = %s"""
        verdict = find_fault(campaign, insert, vote)
        assert (verdict.is_good, verdict.vote) == (False, vote - 3)


def test_every_exchange_of_two_votes_is_found(campaign):
    rng = random.Random(4)
    for _ in range(TRIES):
        ids = list(Vote.objects.filter(campaign=campaign).values_list("pk", flat=True))
        one, other = sorted(rng.sample(ids, 2))
        swap = """UPDATE campaigns_vote v SET assignment_id = w.assignment_id, revision = w.revision + 100,
            sample_id = w.sample_id, received_at = w.received_at
            FROM campaigns_vote w WHERE v.id IN (%s, %s) AND w.id IN (%s, %s) AND v.id <> w.id"""
        verdict = find_fault(campaign, swap, one, other, one, other)
        assert (verdict.is_good, verdict.vote) == (False, one)


def test_every_cut_end_is_found_by_the_links_outside(campaign):
    rng, seals = random.Random(5), list(Seal.objects.order_by("number"))
    for _ in range(TRIES):
        seal = rng.choice(seals)
        with transaction.atomic():
            tamper("DELETE FROM campaigns_vote WHERE id >= %s", seal.first_vote)
            tamper("DELETE FROM campaigns_seal WHERE number >= %s", seal.number)
            verdict = services.verify_seals(campaign=campaign)
            assert services.verify_seals(campaign=campaign, anchor={}).is_good  # without them nothing shows it
            transaction.set_rollback(True)
        assert f"Seal {seal.number} is known outside" in verdict.fault


def test_a_chain_made_anew_over_changed_votes_is_found_by_the_links_outside(campaign):
    tamper("UPDATE campaigns_vote SET code = '7'")
    tamper("DELETE FROM campaigns_seal")
    sealing.add_seals(campaign_id=campaign.pk, until=2**62)
    assert services.verify_seals(campaign=campaign, anchor={}).is_good
    assert "differs from what was written" in services.verify_seals(campaign=campaign).fault


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE campaigns_seal SET row_digests = decode(repeat('00', 160), 'hex') WHERE number = 2",
        "UPDATE campaigns_seal SET previous = digest WHERE number = 3",
        "DELETE FROM campaigns_seal WHERE number = 2",
        "UPDATE campaigns_seal SET number = number + 10 WHERE number = 4",
    ],
)
def test_a_changed_chain_is_found(campaign, statement):
    assert "chain itself" in find_fault(campaign, statement).fault


def test_a_vote_that_does_not_agree_with_its_claim_is_found_though_it_was_sealed(campaign):
    other = given.expert(campaign.project)
    tamper(
        """SET CONSTRAINTS ALL IMMEDIATE;
        ALTER TABLE campaigns_vote DISABLE TRIGGER vote_repeats_its_assignment;
        INSERT INTO campaigns_vote (assignment_id, revision, client_uuid, campaign_id, round_id, sample_id,
            expert_id, kind, code, second_code, is_sure, skip_reason, is_machine, views_opened, interface_version,
            question_version, scheme_version)
        SELECT assignment_id, 9, gen_random_uuid(), campaign_id, round_id, sample_id, %s, 'answer', '1', '', TRUE, '',
            FALSE, '{}', '', 1, 1 FROM campaigns_vote LIMIT 1;
        ALTER TABLE campaigns_vote ENABLE TRIGGER vote_repeats_its_assignment""",
        other.pk,
    )
    services.seal_campaign(campaign_id=campaign.pk)
    assert "does not agree with the claim" in services.verify_seals(campaign=campaign).fault


def test_the_close_seals_everything(campaign):
    expert, round = given.expert(campaign.project), services.current_round(campaign=campaign)
    (claimed,) = services.claim(round=round, expert=expert, session=None, count=1)
    ballot = Ballot(assignment=claimed.pk, client_uuid=uuid.uuid4(), code="A")
    services.cast_vote(campaign=campaign, expert=expert, ballot=ballot)
    services.close_campaign(campaign=campaign, by=None)
    assert services.verify_seals(campaign=campaign).votes == 41


def test_young_votes_wait_and_old_ones_are_sealed_by_housekeeping(campaign):
    expert, round = given.expert(campaign.project), services.current_round(campaign=campaign)
    (claimed,) = services.claim(round=round, expert=expert, session=None, count=1)
    ballot = Ballot(assignment=claimed.pk, client_uuid=uuid.uuid4(), code="A")
    receipt = services.cast_vote(campaign=campaign, expert=expert, ballot=ballot)
    assert services.seal_votes() == {"sealed": 0}
    tamper("UPDATE campaigns_vote SET received_at = now() - interval '30 s' WHERE id = %s", receipt.vote)
    assert services.seal_votes() == {"sealed": 1}


def test_the_commands_say_what_they_found(campaign, capsys, tmp_path):
    call_command("seal")
    call_command("verify_seals", campaign=campaign.pk)
    assert "40 votes and 4 seals agree" in capsys.readouterr().out
    tamper("UPDATE campaigns_vote SET code = '7' WHERE id = (SELECT max(id) FROM campaigns_vote)")
    with pytest.raises(CommandError, match="is not what it was when seal 4"):
        call_command("verify_seals")
    with pytest.raises(CommandError, match="readable file"):
        call_command("verify_seals", anchor=tmp_path / "none.txt", campaign=campaign.pk)


@pytest.mark.django_db(transaction=True)
def test_a_vote_that_is_committed_late_is_not_left_out():
    campaign = fill(votes=8, batches=1)
    expert, late = given.expert(campaign.project), given.expert(campaign.project)
    round = services.current_round(campaign=campaign)
    (first,) = services.claim(round=round, expert=late, session=None, count=1)
    (second,) = services.claim(round=round, expert=expert, session=None, count=1)

    def seal():
        try:
            return services.seal_campaign(campaign_id=campaign.pk)
        finally:
            connection.close()

    def vote_meanwhile():
        try:
            ballot = Ballot(assignment=second.pk, client_uuid=uuid.uuid4(), code="B")
            return services.cast_vote(campaign=campaign, expert=expert, ballot=ballot)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            ballot = Ballot(assignment=first.pk, client_uuid=uuid.uuid4(), code="A")
            receipt = services.cast_vote(campaign=campaign, expert=late, ballot=ballot)
            assert pool.submit(vote_meanwhile).result().vote > receipt.vote
            sealed = pool.submit(seal)
        assert sealed.result() == 2
    assert services.verify_seals(campaign=campaign).votes == 10


def make_old(*campaigns):
    """As if the votes that are stored now had been waiting for half a minute."""
    Vote.objects.filter(campaign__in=campaigns).update(received_at=timezone.now() - timedelta(seconds=30))


def bring_in(campaign, voter):
    round = services.current_round(campaign=campaign)
    samples = list(round.round_samples.order_by("sample").values_list("sample", flat=True))
    table = pa.table({"voter": [voter] * len(samples), "sample": samples, "code": ["6"] * len(samples)})
    services.import_votes(round=round, table=table, by=None)


@pytest.mark.django_db(transaction=True)
def test_a_long_import_keeps_only_its_own_campaign_from_being_sealed(monkeypatch):
    """Two imports are open; beside them two campaigns are sealed, and the wait for the first two is one wait."""
    monkeypatch.setattr(sealing, "PATIENCE_S", 0.5)
    importing, others = [fill(4, 1), fill(4, 1)], [fill(4, 1), fill(4, 1)]
    Seal.objects.all().delete()
    for campaign in (*importing, *others):
        sealing.anchor_of(campaign.pk).unlink()
    make_old(*importing, *others)
    others.append(fill(2, 1))  # young, and sealed already

    def seal():
        started = time.monotonic()
        try:
            return services.seal_votes()["sealed"], time.monotonic() - started
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            for number, campaign in enumerate(importing):
                bring_in(campaign, f"importer {number}")
            sealed, took = pool.submit(seal).result()
            assert sealed == 8
            assert 0.5 <= took < 0.95
            assert set(Seal.objects.values_list("campaign", flat=True)) == {each.pk for each in others}
            with pytest.raises(services.RefusedError, match="not sealed yet"):
                pool.submit(seal_over, importing[0].pk).result()
        assert pool.submit(seal).result()[0] == 16
    for campaign in importing:
        verdict = services.verify_seals(campaign=campaign)
        assert (verdict.is_good, verdict.votes) == (True, 8), verdict.fault


def seal_over(campaign_id):
    try:
        return sealing.seal_over(campaign_id=campaign_id, last_vote=1)
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_no_vote_is_missed_while_imports_and_votes_of_many_come_and_seals_are_made():
    """Eight voters and two importers in two campaigns, sealed all the while: each vote in one link, in its place."""
    campaigns = [given.campaign(given.project(), count=60, quota=20) for _ in range(2)]
    is_over = threading.Event()

    def vote(campaign):
        expert, round = given.expert(campaign.project), services.current_round(campaign=campaign)
        try:
            while claimed := services.claim(round=round, expert=expert, session=None, count=10):
                for each in claimed:
                    ballot = Ballot(assignment=each.pk, client_uuid=uuid.uuid4(), code="6")
                    services.cast_vote(campaign=campaign, expert=expert, ballot=ballot)
        finally:
            connection.close()

    def import_many(campaign):
        try:
            for _ in range(8):
                bring_in(campaign, str(uuid.uuid4()))
        finally:
            connection.close()

    def seal():
        try:
            while not is_over.is_set():
                for campaign in campaigns:
                    services.seal_campaign(campaign_id=campaign.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        sealers = [pool.submit(seal) for _ in range(2)]
        work = [pool.submit(vote, campaign) for campaign in campaigns for _ in range(4)]
        work += [pool.submit(import_many, campaign) for campaign in campaigns]
        done = [each.exception() for each in work]
        is_over.set()
        assert [each.exception() for each in sealers] == [None, None]
    assert done == [None] * len(work)
    services.seal_all()
    for campaign in campaigns:
        verdict = services.verify_seals(campaign=campaign)
        assert (verdict.is_good, verdict.votes) == (True, 60 * 12), verdict.fault
        assert verdict.seals > 3
