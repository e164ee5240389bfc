"""A database with votes in it goes through the migrations since 0002: no row is lost, and the rules hold afterwards."""

import json
import uuid
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from geoquorum.campaigns import services
from geoquorum.campaigns.models import Assignment, Campaign, Round, RoundSample, Vote
from geoquorum.campaigns.services import declaring, sealing
from tests import given

pytestmark = pytest.mark.slow
SAMPLES, EXPERTS, QUOTA = 200, 5, 3
START = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
OLD_TABLES = ("campaign", "round", "roundsample", "assignment", "vote", "seal", "session", "adjudication", "comment")
COUNTED_ANEW = {"answered"}  # of a sample in a round: migration 0003 counts what was counted at each request before
CODES = ("1", "6", "A", "D")


@pytest.fixture
def empty_database(django_db_setup, django_db_blocker, settings, tmp_path):
    """A database of its own on the tests' server, without a table; every query of the test goes there."""
    settings.GEOQUORUM_HOME = tmp_path
    name, own = connection.settings_dict["NAME"], f"upgrade_{uuid.uuid4().hex[:12]}"
    with django_db_blocker.unblock():
        on_server(f'CREATE DATABASE "{own}"')
        go_to(own)
        try:
            yield
        finally:
            go_to(name)
            on_server(f'DROP DATABASE "{own}" WITH (FORCE)')


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("geoquorum.queue.outbox.publish", lambda job: None)


def on_server(statement):
    with connection._nodb_cursor() as cursor:
        cursor.execute(statement)


def go_to(name):
    connection.close()
    connection.settings_dict["NAME"] = name


def migrate(*targets):
    """Bring the database to these migrations, the newest of every app where none is named; the models as they are."""
    executor = MigrationExecutor(connection)
    goals = [("campaigns", name) for name in targets] or executor.loader.graph.leaf_nodes()
    executor.migrate(goals)
    return executor.loader.project_state(goals).apps


class Old:
    """A project as migration 0002 knew it: one campaign that is open and one that is closed, each with sealed votes."""

    def __init__(self, apps):
        self.model = {name: apps.get_model("campaigns", name) for name in ("Campaign", "Round", "RoundSample")}
        self.model |= {name: apps.get_model("campaigns", name) for name in ("Assignment", "Vote", "Session")}
        self.project = apps.get_model("accounts", "Project").objects.create(name="Old", slug="old")
        expert = apps.get_model("accounts", "Expert")
        self.experts = [expert.objects.create(project=self.project, pseudonym=f"X{n}") for n in range(EXPERTS)]
        sample = apps.get_model("catalog", "Sample")
        self.samples = sample.objects.bulk_create(
            sample(project=self.project, kind="patch", key=f"s{n}") for n in range(SAMPLES)
        )
        self.campaigns = [self.add_campaign(state) for state in ("open", "closed")]
        adjudication = apps.get_model("campaigns", "Adjudication")
        adjudication.objects.create(
            campaign=self.campaigns[1], round=self.campaigns[1].rounds.get(), sample=self.samples[0], code="3",
            reason="Tanks and pipes.", by=self.experts[0],
        )  # fmt: skip

    def add_campaign(self, state):
        declared = declaring.declare(question="lcz_patch", scheme="lcz17")
        made = self.model["Campaign"].objects.create(
            project=self.project, name=state, slug=state, question="lcz_patch", scheme="lcz17", state=state,
            policy={"kind": "fixed", "order": "random"}, declared=declared, opened_at=START,
            declared_digest=declaring.digest_of(declared), closed_at=START if state == "closed" else None,
        )  # fmt: skip
        round = self.model["Round"].objects.create(campaign=made, quota=QUOTA, closed_at=made.closed_at)
        session = self.model["Session"].objects.create(campaign=made, expert=self.experts[0])
        self.model["RoundSample"].objects.bulk_create(
            self.model["RoundSample"](round=round, sample=sample, position=place * 10_000, slots_taken=QUOTA - 1)
            for place, sample in enumerate(self.samples)
        )
        self.claim_and_vote(made, round, session)
        # The last sample has all its votes, the first ones have a place left.
        self.model["RoundSample"].objects.filter(round=round, sample=self.samples[-1]).update(slots_taken=QUOTA)
        return made

    def claim_and_vote(self, campaign, round, session):
        """Of each sample: two answers (one of them changed once), a skip, and a claim that ran out."""
        new = self.model["Assignment"]
        rows = []
        for place, sample in enumerate(self.samples):
            states = ["answered", "answered", "skipped", "released"]
            states += ["answered"] if place == SAMPLES - 1 else []
            for number, word in enumerate(states):
                slot = {0: 0, 1: 1, 4: 2}.get(number)
                rows.append(
                    new(
                        campaign=campaign, round=round, sample=sample, expert=self.experts[number], quota=QUOTA,
                        slot=slot, state=word, session=session if number == 0 else None,
                    )
                )  # fmt: skip
        shared = {"campaign": campaign, "round": round}
        votes = []
        for place, one in enumerate(new.objects.bulk_create(rows)):
            if one.state == "released":
                continue
            said = {"kind": "skip", "skip_reason": "2"}
            if one.state == "answered":
                said = {"kind": "answer", "code": CODES[place % 4]}
            shown = START + timedelta(seconds=place)
            kept = shared | {"assignment": one, "sample": one.sample, "expert": one.expert, "shown_at": shown}
            votes.append(self.model["Vote"](**kept, **said, decided_at=shown + timedelta(seconds=2)))
            if one.slot == 1:
                votes.append(self.model["Vote"](**kept, kind="answer", code="G", revision=1))
        self.model["Vote"].objects.bulk_create(votes)
        sealing.add_seals(campaign_id=campaign.pk, until=2**62)
        sealing.write_anchor(campaign_id=campaign.pk)


def list_columns(table):
    with connection.cursor() as cursor:
        cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
        return {name for (name,) in cursor.fetchall()}


def read_rows(columns):
    """Every row of the old tables, the old columns of it, as text."""
    found = {}
    for table, names in columns.items():
        listed = ", ".join(f'"{name}"' for name in sorted(names - COUNTED_ANEW))
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {listed} FROM {table} ORDER BY id")
            found[table] = [json.dumps(row, default=bytes_or_text) for row in cursor.fetchall()]
    return found


def bytes_or_text(value):
    return bytes(value).hex() if isinstance(value, memoryview | bytes) else str(value)


@pytest.fixture
def upgraded(empty_database):
    """The old database, checked after each migration; what stood in it before."""
    old = Old(migrate("0002_voting_platform"))
    columns = {f"campaigns_{name}": list_columns(f"campaigns_{name}") for name in OLD_TABLES}
    before = read_rows(columns)
    assert len(before["campaigns_vote"]) == 2 * (4 * SAMPLES + 1)
    for name in ("0003_hot_path", "0004_one_place"):
        migrate(name)
        assert read_rows(columns) == before, name
    migrate()
    assert read_rows(columns) == before
    return old


def test_a_filled_database_keeps_every_row_and_its_rules(upgraded):
    check_counts()
    check_constraints()
    check_what_the_application_may_not()
    check_seals()
    check_voting_goes_on()


def check_counts():
    """What is kept since 0003 and 0004 says what was there."""
    for round in Round.objects.all():
        counted = {row.expert.pseudonym: (row.answered, row.skipped, row.claims) for row in round.participations.all()}
        full = (SAMPLES, 0, SAMPLES)
        assert counted == {"X0": full, "X1": full, "X2": (0, SAMPLES, SAMPLES), "X3": (0, 0, SAMPLES), "X4": (1, 0, 1)}
        rows = RoundSample.objects.filter(round=round)
        assert Counter(rows.values_list("answered", "is_full", "quota")) == {
            (2, False, QUOTA): SAMPLES - 1,
            (3, True, QUOTA): 1,
        }
        table = services.latest_votes(round=round)
        assert (len(table), int((table.answer == 16).sum())) == (2 * SAMPLES + 1, SAMPLES)


def check_constraints():
    round, expert = Round.objects.earliest("pk"), given.expert(Campaign.objects.earliest("pk").project)
    row = RoundSample.objects.filter(round=round).earliest("pk")
    claim = {"campaign_id": round.campaign_id, "round": round, "sample_id": row.sample_id, "expert": expert}
    stranger = given.samples(expert.project, 1)[0]
    for change, rule in (
        ({"slot": QUOTA, "quota": QUOTA}, "slot_below_quota"),
        ({"slot": QUOTA, "quota": QUOTA + 1}, "place_is_the_rounds"),
        ({"slot": 2, "quota": QUOTA, "sample_id": stranger.pk}, "place_is_the_rounds"),
        ({"slot": 0, "quota": QUOTA}, "one_per_slot"),
        ({"slot": 2, "quota": QUOTA, "expert_id": Vote.objects.earliest("pk").expert_id}, "one_per_expert"),
        ({"slot": None, "quota": QUOTA}, "slot_while_it_counts"),
    ):
        fields = {name: value for name, value in claim.items() if f"{name}_id" not in change}
        with pytest.raises(IntegrityError, match=rule), transaction.atomic():
            Assignment.objects.create(**fields | change)
    first = Vote.objects.filter(kind="answer").earliest("pk")
    for change in ({}, {"revision": 7, "code": ""}, {"revision": 7, "client_uuid": first.client_uuid}):
        again = Vote.objects.get(pk=first.pk)
        again.pk, again.client_uuid = None, uuid.uuid4()
        for name, value in change.items():
            setattr(again, name, value)
        with pytest.raises(IntegrityError), transaction.atomic():
            again.save(force_insert=True)
    with pytest.raises(IntegrityError, match="quota_is_the_rounds"), transaction.atomic():
        RoundSample.objects.create(round=round, sample=stranger, quota=QUOTA + 1)


def check_what_the_application_may_not():
    for table in ("vote", "seal", "adjudication"):
        for statement in (f"UPDATE campaigns_{table} SET id = id", f"DELETE FROM campaigns_{table}"):
            with pytest.raises(ProgrammingError, match="permission denied"), as_application():
                execute(statement)


@contextmanager
def as_application():
    """The rights of the web's role."""
    execute("SET ROLE geoquorum_app")
    try:
        yield
    finally:
        execute("RESET ROLE")


def execute(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def check_seals():
    for campaign in Campaign.objects.all():
        verdict = services.verify_seals(campaign=campaign)
        assert (verdict.is_good, verdict.votes) == (True, 4 * SAMPLES + 1), verdict.fault


def check_voting_goes_on():
    """The web's role claims what has a place left, votes, takes a released sample back up, and closes."""
    campaign = Campaign.objects.get(state="open")
    round = services.current_round(campaign=campaign)
    with as_application():
        fresh, back = given.expert(campaign.project), campaign.project.experts.get(pseudonym="X3")
        for expert, count in ((fresh, 50), (back, 50)):
            claimed = services.claim(round=round, expert=expert, session=None, count=count)
            assert len(claimed) == count
            for one in claimed:
                ballot = services.Ballot(assignment=one.pk, client_uuid=uuid.uuid4(), code="6")
                services.cast_vote(campaign=campaign, expert=expert, ballot=ballot)
        services.close_campaign(campaign=campaign, by=None)
    assert services.latest_votes(round=round).votes_per_sample.max() == QUOTA
    assert RoundSample.objects.filter(round=round, is_full=True).count() == 101
    verdict = services.verify_seals(campaign=campaign)
    assert (verdict.is_good, verdict.votes, verdict.seals) == (True, 4 * SAMPLES + 101, 2), verdict.fault
