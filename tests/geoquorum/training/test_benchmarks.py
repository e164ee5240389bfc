"""A benchmark fixes what is scored and how, stays as it is once it has scores, and keeps protocols apart."""

import datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from fusion.errors import BadInputError, GeoquorumError, UnknownKindError
from geoquorum.accounts.models import Event
from geoquorum.releases.models import BuildState
from geoquorum.training import benchmarks
from geoquorum.training.held_out import draw_public
from geoquorum.training.models import Benchmark, Protocol, Score, Submission
from geoquorum.training.protocols import SENTENCES, find_protocol
from geoquorum.training.ranking import rank_benchmark
from geoquorum.training.scoring import open_held_out
from geoquorum.training.submissions import Sender, submit_rows
from tests import given
from tests.geoquorum.training import predicting

pytestmark = pytest.mark.django_db
TOMORROW = timezone.now() + datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def version(shared_rows, tmp_path_factory):
    return predicting.version(given.project(), tmp_path_factory.mktemp("packs"))


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.GEOQUORUM_DATA = tmp_path / "data"


def submit(benchmark, by, *, right, name="system", seed=0, draw=0):
    held = open_held_out(benchmark)
    rows = predicting.predict(held.truth, right=right, seed=draw).tolist()
    return submit_rows(benchmark=benchmark, rows=rows, ids=None, sender=Sender(by=by, name=name, seed=seed))


def test_it_names_the_pack_the_scheme_and_the_protocol(version):
    made = predicting.benchmark(version, name="Unseen  ", further_metrics=["kappa", "oa", "kappa"])
    assert (made.name, made.pack_sha256, made.scheme, made.target) == ("Unseen", version.sha256, "lcz17", "lcz17")
    assert (made.metric, made.further_metrics) == ("oa", ["kappa"])
    assert Event.objects.filter(action="benchmark made", subject=f"benchmark {made.pk}").exists()
    assert predicting.benchmark(version, name="Unseen").slug == f"{made.slug}-2"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": " "}, "needs a name"),
        ({"protocol": "anything goes"}, "Unknown protocol 'anything goes'"),
        ({"split": "train"}, "held-out split"),
        ({"split": "validation"}, "0 labelled samples in 0 groups"),
        ({"metric": "f2"}, "Unknown metric 'f2'"),
        ({"further_metrics": ["cross_entropy_votes"]}, "Unknown metric 'cross_entropy_votes'"),
        ({"task": "weather"}, "weather"),
        ({"task": "change"}, "change"),
        ({"resamples": 3}, "Resamples are 100"),
        ({"seed": -1}, "the seed is 0"),
        ({"daily_limit": 0}, "daily limit is 1"),
        ({"interval_by": "moon"}, "by block or city"),
        ({"ends_at": TOMORROW}, "belong to a contest"),
        ({"has_hidden_labels": True, "ends_at": TOMORROW}, "share of the rows"),
        ({"has_hidden_labels": True, "public_share": float("nan"), "ends_at": TOMORROW}, "share of the rows"),
        ({"has_hidden_labels": True, "public_share": 0.3}, "an end in the future"),
        ({"has_hidden_labels": True, "public_share": 0.3, "ends_at": timezone.now()}, "an end in the future"),
        ({"has_hidden_labels": True, "public_share": 0.3, "ends_at": TOMORROW}, "0 are known to this project"),
        ({"has_hidden_labels": True, "public_share": 0.3, "ends_at": TOMORROW, "interval_by": "city"}, "2 are too few"),
    ],
)
def test_what_cannot_be_scored_is_refused_and_not_made(version, fields, reason):
    before = Benchmark.objects.count()
    with pytest.raises(GeoquorumError, match=reason):
        predicting.benchmark(version, **fields)
    assert Benchmark.objects.count() == before


def test_only_a_ready_version_is_scored_on(version):
    version.state = BuildState.BUILDING
    with pytest.raises(BadInputError, match="only a ready one"):
        predicting.benchmark(version)
    version.state = BuildState.READY
    with pytest.raises(UnknownKindError):
        predicting.benchmark(version, task="")


def test_nothing_of_it_changes_once_it_has_scores(version):
    made = predicting.benchmark(version)
    Benchmark.objects.filter(pk=made.pk).update(note="still open to words")
    person = given.member(version.project)
    submit(made, person, right=0.5)
    for field, value in (("metric", "kappa"), ("protocol", "contest"), ("seed", 5), ("note", ""), ("ends_at", None)):
        changed = value if field != "ends_at" else {"has_hidden_labels": True, "public_share": 0.3, "ends_at": TOMORROW}
        with pytest.raises(IntegrityError, match="stays as it is"), transaction.atomic():
            Benchmark.objects.filter(pk=made.pk).update(**(changed if field == "ends_at" else {field: changed}))
    with pytest.raises(GeoquorumError, match="has scores"):
        benchmarks.remove_benchmark(benchmark=made, by=None)
    Benchmark.objects.filter(pk=made.pk).update(created_by=person)
    person.delete()
    assert Benchmark.objects.get(pk=made.pk).created_by is None
    assert Score.objects.filter(benchmark=made).count() == 1


def test_one_without_scores_can_be_taken_away(version):
    made = predicting.benchmark(version)
    benchmarks.publish_figure(benchmark=made, name="Paper", value=0.6, source="Somebody 2020, table 3", by=None)
    benchmarks.remove_benchmark(benchmark=made, by=None)
    assert not Benchmark.objects.filter(pk=made.pk).exists()


def test_each_protocol_has_its_sentence_and_its_own_ranking(version, client):
    assert set(SENTENCES) == set(Protocol.values)
    unseen = predicting.benchmark(version, name="Paper's own", protocol="unseen_cities")
    contest = predicting.benchmark(version, name="Contest's own", protocol="contest")
    person = given.member(version.project)
    submit(unseen, person, right=0.6, name="trained on cities alone")
    submit(contest, person, right=0.9, name="trained on everything")
    assert [row.submission.name for row in rank_benchmark(unseen).rows] == ["trained on cities alone"]
    client.force_login(person)
    page = client.get(reverse("benchmarks:list")).content.decode()
    first, second = page.index("Protocol: unseen cities"), page.index("Protocol: contest")
    assert page.index("Paper&#x27;s own") in range(first, second)
    assert page.index("Contest&#x27;s own") > second


@pytest.mark.parametrize(
    ("kind", "protocol"),
    [("city", "unseen_cities"), ("culture_zone", "unseen_cities"), ("block", "same_cities"), ("random", "same_cities"),
     ("city_blocks", "same_cities"), (None, "same_cities")],
)  # fmt: skip
def test_the_protocol_of_a_version_follows_from_its_splits(version, kind, protocol):
    version.design = {"kind": kind}
    assert find_protocol(version) == protocol
    version.design = {"kind": "city"}


def test_published_figures_need_a_source_and_are_never_ranked(version):
    made = predicting.benchmark(version)
    submit(made, given.member(version.project), right=0.5)
    benchmarks.publish_figure(
        benchmark=made, name="ResNeXt with CBAM", value=0.61, source="Zhu et al. 2020, So2Sat LCZ42", by=None
    )
    board = rank_benchmark(made)
    assert [row.submission.name for row in board.rows] == ["system"]
    assert [(one.name, one.published_value) for one in board.published] == [("ResNeXt with CBAM", 0.61)]
    for name, value, source in (("A", 0.5, " "), (" ", 0.5, "B"), ("A", float("nan"), "B")):
        with pytest.raises(BadInputError):
            benchmarks.publish_figure(benchmark=made, name=name, value=value, source=source, by=None)
    with pytest.raises(GeoquorumError, match="already on"):
        benchmarks.publish_figure(benchmark=made, name="system", value=0.5, source="B", by=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        Submission.objects.create(benchmark=made, kind="published", name="without source", published_value=1.0)


def test_two_near_equal_systems_share_a_rank_and_a_clearly_better_one_does_not(version):
    made = predicting.benchmark(version)
    person = given.member(version.project)
    for name, right, draw in (("best", 0.95, 1), ("one", 0.6, 2), ("other", 0.6, 3), ("worst", 0.2, 4)):
        submit(made, person, right=right, name=name, draw=draw)
    rows = rank_benchmark(made).rows
    assert [(row.rank, row.is_tied) for row in rows] == [(1, False), (2, True), (2, True), (4, False)]
    assert (rows[0].submission.name, rows[3].submission.name) == ("best", "worst")
    tied = rows[2].difference
    assert tied["low"] <= 0 <= tied["high"]
    assert rows[1].difference["low"] > 0, "the leader of the second rank is clearly behind the first"


def test_a_low_calibration_error_ranks_above_a_high_one(version):
    made = predicting.benchmark(version, metric="ece")
    person = given.member(version.project)
    submit(made, person, right=0.2, name="sure of itself", draw=1)
    submit(made, person, right=0.7, name="calibrated", draw=2)
    assert [row.submission.name for row in rank_benchmark(made).rows] == ["calibrated", "sure of itself"]


def test_city_intervals_are_drawn_by_city(version):
    held = open_held_out(predicting.benchmark(version, interval_by="city"))
    assert set(held.blocks) == {"city0", "city1"}
    with pytest.raises(BadInputError):
        draw_public(held.blocks, share=0.5, seed=0)


def test_the_command_makes_one_as_the_page_does(version, capsys):
    words = ["benchmark", "--version-id", str(version.pk), "--name", "By command", "--protocol", "unseen_cities"]
    call_command(*words, "--task", "lcz", "--also", "kappa", "macro_f1", "--draws", "300")
    made = Benchmark.objects.get(name="By command")
    assert f"benchmark {made.pk} (by-command): oa on the split test" in capsys.readouterr().out
    assert (made.further_metrics, made.resamples, made.has_hidden_labels) == (["kappa", "macro_f1"], 300, False)
    for wrong, reason in (
        (["--draws", "1"], "Resamples"),
        (["--ends-at", "2027-13-01T00:00Z"], "is no time"),
        (["--ends-at", "soon"], "is no time"),
        (["--ends-at", "2020-01-01T00:00Z"], "end in the future"),
        (["--version-id", "0"], "no dataset version"),
    ):
        with pytest.raises(CommandError, match=reason):
            call_command(*words, *wrong)


def test_the_form_makes_one_and_says_what_is_wrong(version, client):
    client.force_login(given.member(version.project, "curator"))
    words = {
        "version": version.pk, "name": "By form", "task": "lcz", "split": "test", "protocol": "unseen_cities",
        "metric": "oa", "further_metrics": ["kappa"], "interval_by": "block", "resamples": 200, "seed": 1,
        "daily_limit": 5, "counts": "last",
    }  # fmt: skip
    answer = client.post(reverse("benchmarks:new"), words)
    made = Benchmark.objects.get(name="By form")
    assert answer.url == reverse("benchmarks:show", args=[made.pk])
    assert (made.counts, made.daily_limit, made.seed) == ("last", 5, 1)
    wrong = client.post(reverse("benchmarks:new"), words | {"name": "Other", "has_hidden_labels": "on"})
    assert wrong.status_code == 400
    assert "share of the rows on its public board" in wrong.content.decode()
    assert not Benchmark.objects.filter(name="Other").exists()
    page = client.get(reverse("benchmarks:new")).content.decode()
    assert "never stand in one ranking" in page
    removed = client.post(reverse("benchmarks:remove", args=[made.pk]))
    assert removed.url == reverse("benchmarks:list")


def test_an_empty_board_says_how_to_take_part(version, client):
    made = predicting.benchmark(version)
    client.force_login(given.member(version.project))
    page = client.get(reverse("benchmarks:show", args=[made.pk])).content.decode()
    assert "No score yet" in page
    assert "Sample file (CSV)" in page
    assert "42 cities train" in page
    assert "0 of 20 submissions of today" in page
    assert "Enter a published figure" not in page
