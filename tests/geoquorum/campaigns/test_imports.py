"""Many votes at once give the same rows as one by one, under the same rules."""

import time
import uuid

import numpy as np
import pyarrow as pa
import pytest
from django.db import connection

from annotation.panel import make_panel
from fusion.errors import BadVotesError
from geoquorum.accounts.models import Expert
from geoquorum.accounts.services import expert_of
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Assignment, Participation, RoundSample, Vote
from geoquorum.campaigns.services import Ballot, RefusedError
from tests import given

pytestmark = pytest.mark.django_db
CODES = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "A", "B", "C", "D", "E", "F", "G")


def make_round(count=3, quota=2):
    campaign = given.campaign(given.project(), count=count, quota=quota)
    return services.current_round(campaign=campaign)


def sample_ids(round):
    return list(round.round_samples.order_by("sample").values_list("sample", flat=True))


def table(round, rows, **more):
    ids = sample_ids(round)
    voters, places, codes = zip(*rows, strict=True)
    return pa.table({"voter": voters, "sample": [ids[place] for place in places], "code": codes} | more)


def test_an_import_equals_votes_cast_one_by_one():
    rows = [("ann", 0, "1"), ("bea", 0, "A"), ("ann", 1, "10"), ("bea", 1, "10"), ("ann", 2, "G")]
    bulk, single = make_round(), make_round()
    assert services.import_votes(round=bulk, table=table(bulk, rows), by=None) == 5
    experts = {name: given.expert(single.campaign.project) for name in ("ann", "bea")}
    for name, place, code in rows:
        for assignment in services.claim(round=single, expert=experts[name], session=None, count=5):
            if assignment.sample_id == sample_ids(single)[place]:
                ballot = Ballot(assignment=assignment.pk, client_uuid=uuid.uuid4(), code=code)
                services.cast_vote(campaign=single.campaign, expert=experts[name], ballot=ballot)
    Assignment.objects.filter(round=single, state="claimed").delete()
    tables = [services.latest_votes(round=each) for each in (bulk, single)]
    assert (tables[0].counts() == tables[1].counts()).all()
    answered = [
        list(each.round_samples.order_by("sample").values_list("posterior", flat=True)) for each in (bulk, single)
    ]
    assert np.allclose(*answered)
    states = [sorted(each.assignments.values_list("state", "quota")) for each in (bulk, single)]
    assert states[0] == states[1]


def test_an_import_fills_only_free_places_beside_earlier_votes():
    round = make_round(count=1, quota=3)
    services.import_votes(round=round, table=table(round, [("ann", 0, "1")]), by=None)
    services.import_votes(round=round, table=table(round, [("bea", 0, "2"), ("cyd", 0, "2")]), by=None)
    assert sorted(Assignment.objects.values_list("slot", flat=True)) == [0, 1, 2]
    assert RoundSample.objects.get().slots_taken == 3
    with pytest.raises(BadVotesError, match="more than its 3 votes"):
        services.import_votes(round=round, table=table(round, [("dan", 0, "2")]), by=None)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("ann", 0, "1"), ("bea", 0, "17")], "Row 2 has code '17'; known: 1, 2"),
        ([("ann", 0, "1"), ("ann", 0, "2")], "Row 2 is a second vote"),
        ([("ann", 0, "1"), ("bea", 0, "1"), ("cyd", 0, "1")], "Row 3 gives sample"),
        ([("ann", 0, "")], "Row 1 must have either"),
    ],
)
def test_one_bad_row_stores_nothing(rows, message):
    round = make_round()
    with pytest.raises(BadVotesError, match=message):
        services.import_votes(round=round, table=table(round, rows), by=None)
    assert not Assignment.objects.exists()


def test_a_sample_of_another_round_and_an_unknown_column_are_refused():
    round, other = make_round(), make_round()
    with pytest.raises(BadVotesError, match="not in this round"):
        services.import_votes(round=round, table=table(other, [("ann", 0, "1")]), by=None)
    with pytest.raises(BadVotesError, match="unknown: colour"):
        services.import_votes(round=round, table=table(round, [("ann", 0, "1")], colour=["red"]), by=None)


def test_a_closed_campaign_takes_no_import():
    round = make_round()
    services.close_campaign(campaign=round.campaign, by=None)
    with pytest.raises(RefusedError, match="closed"):
        services.import_votes(round=round, table=table(round, [("ann", 0, "1")]), by=None)


def test_a_panel_of_simulated_experts_votes_and_skips_fast():
    round = make_round(count=1_000, quota=10)
    panel = make_panel(seed=3).vote(
        np.random.default_rng(3).integers(17, size=1_000), seed=3, sample_ids=tuple(sample_ids(round))
    )
    rows = services.tabulate_panel(panel, CODES)
    started = time.perf_counter()
    services.import_votes(round=round, table=rows, by=None)
    seconds = time.perf_counter() - started
    print(f"{len(rows) / seconds:.0f} votes/s")
    assert Vote.objects.filter(kind="skip").count() == len(panel.skipped_sample) > 0
    assert set(Expert.objects.values_list("kind", flat=True)) == {"simulated"}
    assert (services.latest_votes(round=round).counts() == panel.votes.counts()).all()
    assert list(RoundSample.objects.order_by("sample").values_list("slots_taken", flat=True)) == list(
        panel.votes.votes_per_sample
    )


def test_skips_alone_come_in_and_take_no_place():
    round = make_round()
    rows = table(round, [("ann", 0, ""), ("bea", 0, ""), ("ann", 2, "")], skip_reason=["1", "2", "1"])
    assert services.import_votes(round=round, table=rows, by=None) == 3
    assert set(round.round_samples.values_list("slots_taken", "answered", "is_full")) == {(0, 0, False)}
    assert set(round.assignments.values_list("state", "slot")) == {("skipped", None)}
    assert sorted(Participation.objects.filter(round=round).values_list("answered", "skipped")) == [(0, 1), (0, 2)]


def test_no_table_is_read_row_by_row_whatever_its_size_when_the_comparison_was_planned():
    small, large = make_round(), make_round(count=200, quota=10)
    services.import_votes(round=small, table=table(small, [("ann", 0, "1")]), by=None)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE campaigns_assignment, campaigns_roundsample")
    rows = [(f"v{voter}", place, "1") for voter in range(10) for place in range(200)]
    services.import_votes(round=small, table=table(small, [("ann", 1, "1")]), by=None)  # planned: a table of one page
    before = rows_read()
    services.import_votes(round=large, table=table(large, rows), by=None)
    assert rows_read() - before < 20 * len(rows)


def rows_read():
    """Rows of assignments and places that this transaction read by going through whole tables."""
    query = """
    SELECT sum(seq_tup_read) FROM pg_stat_xact_user_tables
    WHERE relname IN ('campaigns_assignment', 'campaigns_roundsample')
    """
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"second_code": ["1"]}, "Row 1 has a second_code that is its code"),
        ({"second_code": ["2"], "code": [""], "skip_reason": ["1"]}, "Row 1 is a skip and has a second_code"),
        ({"shown_at": [np.datetime64("1969-12-31", "us")]}, "Row 1 has shown_at outside the years 1970 to 2199"),
        ({"decided_at": [np.datetime64("12026-01-01", "us")]}, "Row 1 has decided_at outside"),
        ({"voter": [""]}, "Row 1 names no voter"),
        ({"voter": ["a\0"]}, "Row 1 names a voter with a NUL"),
    ],
)
def test_an_import_follows_the_rules_of_single_votes(more, message):
    round = make_round()
    row = {"voter": ["ann"], "sample": sample_ids(round)[:1], "code": ["1"]}
    with pytest.raises(BadVotesError, match=message):
        services.import_votes(round=round, table=pa.table(row | more), by=None)
    assert not Expert.objects.exists()


def test_every_bad_row_is_named_at_once():
    round = make_round(count=3, quota=2)
    rows = [("ann", 0, "17"), ("bea", 1, "1"), ("cyd", 2, "x")]
    with pytest.raises(BadVotesError, match=r"Row 1 has code '17'.*Row 3 has code 'x'"):
        services.import_votes(round=round, table=table(round, rows), by=None)
    assert not Vote.objects.exists()


def test_nobody_votes_in_the_name_of_a_person():
    round = make_round()
    project = round.campaign.project
    person = expert_of(user=given.member(project), project=project)
    with pytest.raises(BadVotesError, match=r"Row 2 votes as .* who is a person"):
        services.import_votes(round=round, table=table(round, [("a", 0, "1"), (person.pseudonym, 1, "1")]), by=None)
    assert not Vote.objects.exists()


def test_a_skip_needs_a_reason_that_the_question_knows():
    round = make_round()
    with pytest.raises(BadVotesError, match="Row 1 has skip_reason 'because'"):
        services.import_votes(round=round, table=table(round, [("a", 0, "")], skip_reason=["because"]), by=None)
