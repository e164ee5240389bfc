"""Stuffing is refused or flagged, people are not (row G4); reports find who answers at random."""

import datetime
import json
import time
import uuid

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone

from annotation.panel import make_panel
from fusion import scheme as schemes
from geoquorum.accounts.models import Event
from geoquorum.campaigns import services
from geoquorum.campaigns.flag_words import WORDS, describe_flag
from geoquorum.campaigns.models import Assignment, Gold, Participation, Round, RoundSample, Standing, Vote
from geoquorum.campaigns.services import RefusedError
from geoquorum.campaigns.services.reports import list_reports, report_own
from geoquorum.campaigns.services.watch import dismiss_flag, watch_all
from tests import given

pytestmark = pytest.mark.django_db
CODES = schemes.find("lcz17").codes
NOON = datetime.datetime(2026, 5, 4, 9, 0, tzinfo=datetime.UTC)


def write_votes(campaign, expert, codes, seconds, *, round=None, samples=None, first=NOON):
    """An expert's votes as they would stand in the database, `seconds` apart: simulated, past the ordinary path."""
    round = round or services.current_round(campaign=campaign)
    if samples is None:
        done = Assignment.objects.filter(round=round, expert=expert).values("sample")
        samples = [row.sample for row in round.round_samples.exclude(sample__in=done).order_by("pk")[: len(codes)]]
    shown = first + np.cumsum([0.0, *seconds[:-1]]) * datetime.timedelta(seconds=1)
    slots = dict(Assignment.objects.filter(round=round).order_by("slot").values_list("sample", "slot"))  # the highest
    made = Assignment.objects.bulk_create(
        Assignment(
            campaign=campaign, round=round, sample=sample, expert=expert, quota=round.quota, state="answered",
            slot=slots.get(sample.pk, -1) + 1,
        )
        for sample in samples
    )  # fmt: skip
    Vote.objects.bulk_create(
        Vote(
            assignment=one, campaign=campaign, round=round, sample=one.sample, expert=expert, code=code,
            shown_at=when, decided_at=when + datetime.timedelta(seconds=float(look)),
            received_at=when + datetime.timedelta(seconds=float(look)),
        )
        for one, code, when, look in zip(made, codes, shown, seconds, strict=True)
    )  # fmt: skip
    Participation.objects.update_or_create(round=round, expert=expert, defaults={"answered": len(made)})


def look_times(rng, count, median_s=2.0):
    return median_s * np.exp(rng.normal(0, 0.5, count))


def flags_of(expert):
    return [flag["kind"] for flag in Standing.objects.get(expert=expert).flags]


@pytest.fixture
def campaign():
    return given.campaign(given.project(), count=300, quota=20)


@pytest.mark.slow
def test_a_thousand_posts_in_ten_seconds_are_refused_beyond_three_a_second(client, settings):
    """As a script would: what passes is the burst and three a second, the rest is refused with 429 and not stored."""
    settings.VOTES_PER_S = 3
    project = given.project()
    campaign = given.campaign(project, count=1_000, quota=3)
    user = given.member(project)
    client.force_login(user)
    started, answers, held = time.monotonic(), [], []
    while len(answers) < 1_000:
        if not held:
            claimed = client.post(f"/campaigns/{campaign.pk}/claims/", '{"count": 50}', content_type="application/json")
            held = [one["id"] for one in claimed.json()["assignments"]]
        body = {"assignment": held[0], "client_uuid": str(uuid.uuid4()), "code": "1"}
        answer = client.post(f"/campaigns/{campaign.pk}/votes/", json.dumps(body), content_type="application/json")
        answers.append(answer.status_code)
        held = held[answer.status_code == 200 :]
    took = time.monotonic() - started
    assert set(answers) == {200, 429}
    assert answers.count(200) == Vote.objects.count() <= 30 + 3 * took + 1
    assert took < 30, "slower than a robot that posts, so that this says little"


@pytest.mark.parametrize("gap_s", [0.34, 2.0])
def test_a_robot_voting_class_1_is_flagged_within_100_votes(campaign, gap_s):
    expert = given.expert(campaign.project)
    gaps = look_times(np.random.default_rng(1), 100, gap_s)
    write_votes(campaign, expert, ["1"] * 100, gaps)
    assert watch_all()["flags"] >= 1
    flag = next(flag for flag in Standing.objects.get(expert=expert).flags if flag["kind"] == "constant")
    said = describe_flag(flag)
    assert said["title"] == "robot?"
    assert said["words"] == f"100 votes, 100 % class 1, {flag['seconds']:.1f} s each"
    assert Vote.objects.count() == 100


@pytest.mark.slow
def test_people_are_not_flagged(campaign):
    """Eight experts of a panel at two seconds, on the same samples, looked at after every fifty votes."""
    panel = make_panel(5, experts=8)
    rng = np.random.default_rng(5)
    truth = rng.choice(17, 200, p=np.r_[np.full(16, 0.4 / 16), 0.6])  # much water
    experts = [given.expert(campaign.project) for _ in range(8)]
    for start in range(0, 200, 50):
        for index, expert in enumerate(experts):
            table = panel.confusion[index]
            codes = [CODES[rng.choice(17, p=table[look] / table[look].sum())] for look in truth[start : start + 50]]
            first = NOON + datetime.timedelta(hours=start)
            write_votes(campaign, expert, codes, look_times(rng, 50), first=first)
        assert watch_all() == {"flags": 0}
    assert Standing.objects.filter(flags=[]).count() == 8


def test_random_answers_are_flagged_when_others_saw_the_same_samples(campaign):
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 17, 150)
    for _ in range(3):
        write_votes(campaign, given.expert(campaign.project), [CODES[one] for one in truth], look_times(rng, 150))
    robot = given.expert(campaign.project)
    write_votes(campaign, robot, [CODES[one] for one in rng.integers(0, 17, 150)], look_times(rng, 150))
    watch_all()
    assert flags_of(robot) == ["blind"]
    assert Standing.objects.exclude(flags=[]).count() == 1


def test_nothing_is_judged_twice_and_nothing_while_nobody_votes(campaign, django_assert_num_queries):
    write_votes(campaign, given.expert(campaign.project), ["1"] * 100, np.full(100, 0.3))
    assert watch_all()["flags"] >= 1
    with django_assert_num_queries(1):  # beside one planned statement of its own
        assert watch_all() == {"flags": 0}


def test_few_new_votes_wait_a_moment(campaign):
    write_votes(campaign, given.expert(campaign.project), ["1"] * 10, np.full(10, 0.3), first=timezone.now())
    watch_all()
    assert not Standing.objects.exists()


def test_simulated_experts_models_and_closed_campaigns_are_not_watched(campaign):
    write_votes(campaign, given.expert(campaign.project, kind="simulated"), ["1"] * 100, np.full(100, 0.3))
    assert watch_all() == {"flags": 0}
    write_votes(campaign, given.expert(campaign.project), ["1"] * 100, np.full(100, 0.3))
    services.close_campaign(campaign=campaign, by=None)
    assert watch_all() == {"flags": 0}


def test_tries_at_qualification_are_not_judged(campaign):
    round = services.add_round(
        campaign=campaign,
        samples=given.samples(campaign.project, 100),
        quota=30_000,
        purpose=Round.Purpose.QUALIFY,
    )
    write_votes(campaign, given.expert(campaign.project), ["1"] * 100, np.full(100, 0.3), round=round)
    assert watch_all() == {"flags": 0}


def test_a_flag_is_dismissed_with_a_reason_and_comes_back_after_a_hundred_votes(campaign):
    expert, curator = given.expert(campaign.project), given.member(campaign.project, "curator", "Cora")
    rng = np.random.default_rng(7)
    write_votes(campaign, expert, ["1"] * 100, look_times(rng, 100))
    watch_all()
    standing = Standing.objects.get(expert=expert)
    with pytest.raises(RefusedError, match="Say why"):
        dismiss_flag(standing=standing, kind="constant", reason=" ", by=curator)
    dismiss_flag(standing=standing, kind="constant", reason="a harbour of towers", by=curator)
    with pytest.raises(RefusedError, match="no such flag"):
        dismiss_flag(standing=standing, kind="constant", reason="again", by=curator)
    dismissed = Standing.objects.get(expert=expert).flags[0]["dismissed"]
    assert (dismissed["by"], dismissed["reason"]) == ("Cora", "a harbour of towers")
    assert Event.objects.get(action="flag dismissed").detail["kind"] == "constant"
    write_votes(campaign, expert, ["1"] * 60, look_times(rng, 60), first=NOON + datetime.timedelta(hours=1))
    assert watch_all() == {"flags": 0}
    write_votes(campaign, expert, ["1"] * 60, look_times(rng, 60), first=NOON + datetime.timedelta(hours=2))
    assert watch_all() == {"flags": 1}
    assert flags_of(expert) == ["constant", "constant"]


def test_every_kind_of_flag_has_words():
    for kind in WORDS:
        flag = {"kind": kind, "value": 0.5, "votes": 100, "code": "1", "period": 4, "seconds": 1.234}
        assert "%" not in describe_flag(flag)["words"].replace(" %", "")


def add_gold(campaign, count, seed=1):
    """A gold round whose samples have known classes."""
    samples = given.samples(campaign.project, count)
    truth = np.random.default_rng(seed).integers(0, 17, count)
    for sample, index in zip(samples, truth, strict=True):
        Gold.objects.create(campaign=campaign, sample=sample, code=CODES[index], use="monitor")
    round = services.add_round(campaign=campaign, samples=samples, quota=30_000, purpose=Round.Purpose.GOLD)
    return round, samples, truth


def test_who_answers_a_third_at_random_is_found_by_the_report_on_gold(campaign):
    round, samples, truth = add_gold(campaign, 120)
    rng = np.random.default_rng(8)
    panel = make_panel(8, experts=6)
    experts = [given.expert(campaign.project) for _ in range(6)]
    for index, expert in enumerate(experts):
        table = panel.confusion[index]
        answer = np.array([rng.choice(17, p=table[look] / table[look].sum()) for look in truth])
        if index == 0:
            answer = np.where(rng.random(120) < 0.3, rng.integers(0, 17, 120), answer)
        codes = [CODES[one] for one in answer]
        write_votes(campaign, expert, codes, look_times(rng, 120), round=round, samples=samples)
    reports = list_reports(campaign=campaign)
    assert reports[0].expert == experts[0]
    others = [report.gold.value for report in reports[1:]]
    assert reports[0].gold.high < np.mean(others)
    assert all(report.gold.n == 120 for report in reports)


def test_first_answers_to_gold_count_wherever_it_was_met(campaign):
    expert = given.expert(campaign.project)
    main = services.current_round(campaign=campaign)
    samples = [row.sample for row in main.round_samples.order_by("pk")[:4]]
    for sample in samples:
        Gold.objects.create(campaign=campaign, sample=sample, code="6", use="monitor")
    write_votes(campaign, expert, ["6", "6", "6", "A"], [2.0] * 4, samples=samples)
    last = Assignment.objects.get(sample=samples[3], expert=expert)
    Vote.objects.create(
        assignment=last, revision=1, campaign=campaign, round=main, sample=samples[3], expert=expert, code="6"
    )
    report = list_reports(campaign=campaign)[0]
    assert report.gold.n == 4
    assert report.gold.value == pytest.approx((3 + 0.67) / 4, abs=0.01)


def make_repeats(campaign, expert, equal, different, first):
    main = services.current_round(campaign=campaign)
    count = equal + different
    samples = [row.sample for row in main.round_samples.order_by("pk")[:count]]
    write_votes(campaign, expert, ["6"] * count, [2.0] * count, samples=samples, first=first)
    again, _made = Round.objects.get_or_create(campaign=campaign, number=9, purpose="repeat", quota=30_000)
    RoundSample.objects.bulk_create(RoundSample(round=again, sample=sample, quota=again.quota) for sample in samples)
    codes = ["6"] * equal + ["5"] * different
    write_votes(campaign, expert, codes, [3.0] * count, round=again, samples=samples, first=first)


def test_consistency_compares_each_repeat_with_the_answer_before(campaign):
    expert = given.expert(campaign.project)
    make_repeats(campaign, expert, 9, 3, NOON)
    report = list_reports(campaign=campaign)[0]
    assert (report.consistency.value, report.consistency.n) == (0.75, 12)
    assert (report.answered, report.pace.n) == (24, 24)


def test_experts_see_no_gold_before_the_close_and_no_repeats_of_today(campaign):
    expert = given.expert(campaign.project)
    round, samples, _truth = add_gold(campaign, 12)
    write_votes(campaign, expert, ["6"] * 12, [2.0] * 12, round=round, samples=samples)
    make_repeats(campaign, expert, 9, 3, timezone.now())
    Standing.objects.create(campaign=campaign, expert=expert, flags=[{"kind": "fast"}])
    own = report_own(campaign=campaign, expert=expert)
    assert (own.gold, own.confused, own.consistency.n, own.flags) == (None, (), 0, [])
    assert own.pace.n == 36
    assert Standing.objects.get(expert=expert).flags == [{"kind": "fast"}]
    services.close_campaign(campaign=campaign, by=None)
    after = report_own(campaign=campaign, expert=expert)
    assert (after.gold.n, after.consistency.n, after.flags) == (12, 12, [])


def test_the_own_page_shows_neither_gold_nor_others(campaign, client):
    user = given.member(campaign.project)
    expert = given.expert(campaign.project, user)
    other = given.expert(campaign.project, pseudonym="OTHERCANARY")
    round, samples, _truth = add_gold(campaign, 12)
    for one in (expert, other):
        write_votes(campaign, one, ["6"] * 12, [2.0] * 12, round=round, samples=samples)
    client.force_login(user)
    page = client.get(reverse("campaigns:own_report", args=[campaign.pk])).content.decode()
    assert "12 answers, 2.0 s each" in page
    assert "OTHERCANARY" not in page
    assert "ccuracy on known samples" not in page
    services.close_campaign(campaign=campaign, by=None)
    assert (
        "ccuracy on known samples" in client.get(reverse("campaigns:own_report", args=[campaign.pk])).content.decode()
    )


def test_curators_see_everybody_with_flags_first_and_the_table_behind(campaign, client):
    good, robot = given.expert(campaign.project), given.expert(campaign.project)
    rng = np.random.default_rng(9)
    write_votes(campaign, good, [CODES[one] for one in rng.integers(0, 17, 120)], look_times(rng, 120))
    write_votes(campaign, robot, ["1"] * 100, np.full(100, 0.4))
    watch_all()
    client.force_login(given.member(campaign.project, "curator"))
    page = client.get(reverse("campaigns:experts", args=[campaign.pk])).content.decode()
    assert "1 of 2 experts is flagged" in page
    assert "100 votes, 100 % class 1, 0.4 s each" in page
    assert page.index(robot.pseudonym) < page.index(good.pseudonym)
    assert "<svg" in page
    table = b"".join(client.get(reverse("campaigns:experts_csv", args=[campaign.pk])).streaming_content).decode()
    lines = [line.split(",") for line in table.strip().splitlines()]
    assert lines[0][:3] == ["expert", "standing", "answered"]
    assert [line[0] for line in lines[1:]] == [robot.pseudonym, good.pseudonym]
    assert "constant" in lines[1][-1]
    address = reverse("campaigns:dismiss_flag", args=[campaign.pk, robot.pk])
    assert client.post(address, {"kind": "constant", "reason": "asked; a test"}).status_code == 302
    assert "Dismissed by" in client.get(reverse("campaigns:experts", args=[campaign.pk])).content.decode()
