"""Submissions: scored as fusion.scores does, grouped by seed, kept whole or not at all, limited by the day."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from fusion import scores
from fusion.errors import GeoquorumError
from geoquorum.accounts import tokens
from geoquorum.accounts.models import Event, Token
from geoquorum.training import scoring, submissions
from geoquorum.training.models import Score, Submission, SubmissionCount
from geoquorum.training.ranking import rank_benchmark
from geoquorum.training.submissions import Sender
from tests import given
from tests.geoquorum.training import predicting
from tests.geoquorum.training.predicting import predict, write_csv, write_npy, write_npz

pytestmark = pytest.mark.django_db
ROWS, RESAMPLES, SEED = 2_000, 300, 11


@pytest.fixture(scope="module")
def version(shared_rows, tmp_path_factory):
    return predicting.version(given.project(), tmp_path_factory.mktemp("packs"), test=ROWS)


@pytest.fixture(scope="module")
def benchmark(version):
    words = {"resamples": RESAMPLES, "seed": SEED, "daily_limit": 4, "further_metrics": ["kappa", "ece"]}
    return predicting.benchmark(version, **words)


@pytest.fixture(scope="module")
def held(benchmark):
    return scoring.open_held_out(benchmark)


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.GEOQUORUM_DATA = tmp_path / "data"
    return tmp_path / "data"


def send(benchmark, by, tmp_path, content, file="file.csv", **words):
    path = tmp_path / file
    path.write_bytes(content)
    return submissions.submit_file(benchmark=benchmark, path=path, sender=Sender(by=by, **{"name": "system"} | words))


def list_kept(data):
    return [path for path in data.rglob("*") if path.is_file()]


@pytest.mark.parametrize("form", ["csv", "ids.csv", "npy", "npz"])
def test_two_thousand_rows_score_as_fusion_scores_does(benchmark, held, tmp_path, form):
    shares = predict(held.truth, right=0.61, seed=1)
    content = {
        "csv": write_csv(shares),
        "ids.csv": write_csv(shares, ids=held.ids, header=True),
        "npy": write_npy(shares),
        "npz": write_npz(probabilities=shares),
    }[form]
    made = send(benchmark, given.member(benchmark.project), tmp_path, content, f"file.{form}")
    words = {"scheme": "lcz17", "blocks": held.blocks, "seed": SEED, "resamples": RESAMPLES}
    expected = scores.evaluate(held.truth, shares, **words)
    assert {"value": made.value, "low": made.low, "high": made.high} == expected["oa"]
    assert made.samples_count == expected["n"] == ROWS
    for name in ("oa", "kappa", "ece"):
        assert made.detail["metrics"][name] == {key: expected[name][key] for key in ("value", "low", "high")}
    kept = np.load(made.predictions_uri, allow_pickle=False)
    assert np.array_equal(kept, shares), "what is kept scores to the same digit again"


def test_the_board_shows_the_paired_difference_of_fusion_scores(benchmark, held, tmp_path):
    """Row 2 of the board against its leader, from what is stored of both."""
    person = given.member(benchmark.project)
    first, second = (predict(held.truth, right=0.6, seed=seed) for seed in (1, 2))
    a = send(benchmark, person, tmp_path, write_npy(first), "a.npy", name="first")
    b = send(benchmark, person, tmp_path, write_npy(second), "b.npy", name="second")
    leader, other = sorted((a, b), key=lambda one: -one.value)
    rows = rank_benchmark(benchmark).rows
    stored = [np.load(one.predictions_uri) for one in (leader, other)]
    expected = scores.paired_difference(held.truth, *stored, held.blocks, "oa", seed=SEED, resamples=RESAMPLES)
    assert rows[1].difference == expected
    assert (rows[1].rank == 1) == (expected["low"] <= 0 <= expected["high"])


def test_seeds_of_one_name_are_one_row_with_mean_spread_and_each_seed(benchmark, held, tmp_path):
    person = given.member(benchmark.project)
    shares = [predict(held.truth, right=0.6, seed=seed) for seed in range(3)]
    made = [send(benchmark, person, tmp_path, write_npy(one), "file.npy", seed=seed) for seed, one in enumerate(shares)]
    [row] = rank_benchmark(benchmark).rows
    values = [one.value for one in made]
    assert [seed.value for seed in row.seeds] == values
    assert row.value == pytest.approx(np.mean(values))
    assert row.spread == pytest.approx(np.std(values, ddof=1))
    words = {"scheme": "lcz17", "blocks": held.blocks, "seed": SEED, "resamples": RESAMPLES}
    draws = np.mean([scores.draw_metrics(held.truth, one, ["oa"], **words)["oa"] for one in shares], axis=0)
    assert (row.low, row.high) == pytest.approx(tuple(np.percentile(draws[1:], [2.5, 97.5])))
    assert row.further["kappa"]["value"] == pytest.approx(
        np.mean([one.detail["metrics"]["kappa"]["value"] for one in made])
    )


@pytest.mark.parametrize(("counts", "expected"), [("best", 0.9), ("last", 0.3)])
def test_the_best_or_the_last_of_one_seed_counts(version, held, tmp_path, counts, expected):
    made = predicting.benchmark(version, counts=counts)
    person = given.member(version.project)
    for draw, right in enumerate((0.6, 0.9, 0.3)):
        send(made, person, tmp_path, write_npy(predict(held.truth, right=right, seed=draw)), "file.npy")
    [row] = rank_benchmark(made).rows
    assert row.value == pytest.approx(expected, abs=0.05)
    assert Score.objects.filter(benchmark=made).count() == 3, "those that do not count are kept"


def test_the_same_file_again_is_the_same_score_and_does_not_count(benchmark, held, tmp_path, data):
    person = given.member(benchmark.project)
    content = write_npy(predict(held.truth, right=0.6))
    first = send(benchmark, person, tmp_path, content, "a.npy")
    assert send(benchmark, person, tmp_path, content, "again.npy").pk == first.pk
    assert submissions.count_used(benchmark=benchmark, user=person) == 1
    assert len(list_kept(data)) == 1


def test_a_refused_file_leaves_nothing_and_does_not_count(benchmark, held, tmp_path, data):
    person = given.member(benchmark.project)
    before = Submission.objects.count(), Score.objects.count(), Event.objects.count()
    rows = predict(held.truth, right=0.6) * np.where(np.arange(ROWS) == 4, 1.2, 1)[:, None]
    with pytest.raises(GeoquorumError, match=r"row 5 sums to 1\.2"):
        send(benchmark, person, tmp_path, write_csv(rows))
    assert (Submission.objects.count(), Score.objects.count(), Event.objects.count()) == before
    assert submissions.count_used(benchmark=benchmark, user=person) == 0
    assert list_kept(data) == []


def test_a_failure_while_storing_leaves_no_file_and_no_row(benchmark, held, tmp_path, data, monkeypatch):
    person = given.member(benchmark.project)

    def fail(made, by):
        raise RuntimeError("the lamp went out")

    monkeypatch.setattr(submissions, "_note", fail)
    with pytest.raises(RuntimeError):
        send(benchmark, person, tmp_path, write_npy(predict(held.truth, right=0.6)), "file.npy")
    assert list_kept(data) == []
    assert not Submission.objects.filter(benchmark=benchmark).exists()
    assert submissions.count_used(benchmark=benchmark, user=person) == 0


def test_the_limit_of_the_day_is_told_and_ends_with_the_day(benchmark, held, tmp_path):
    person, other = given.member(benchmark.project), given.member(benchmark.project)
    for draw in range(4):
        send(benchmark, person, tmp_path, write_npy(predict(held.truth, right=0.6, seed=draw)), "file.npy")
    content = write_npy(predict(held.truth, right=0.6, seed=9))
    with pytest.raises(GeoquorumError, match=r"4 submissions a day are taken here, and yours of \d{4}-\d\d-\d\d"):
        send(benchmark, person, tmp_path, content, "file.npy")
    assert send(benchmark, other, tmp_path, content, "file.npy", name="of another").value > 0
    used = SubmissionCount.objects.get(benchmark=benchmark, user=person)
    used.day = used.day.replace(year=used.day.year - 1)
    used.save()
    assert send(benchmark, person, tmp_path, content, "file.npy").value > 0


def test_a_name_is_one_persons(benchmark, held, tmp_path):
    content = write_npy(predict(held.truth, right=0.6))
    send(benchmark, given.member(benchmark.project), tmp_path, content, "file.npy")
    with pytest.raises(GeoquorumError, match="taken here by another system"):
        send(benchmark, given.member(benchmark.project), tmp_path, content, "file.npy")
    for words, reason in (
        ({"name": " "}, "needs a name"),
        ({"seed": -1}, "A seed is"),
        ({"words": "x" * 2_001}, "2,0"),
    ):
        with pytest.raises(GeoquorumError, match=reason):
            send(benchmark, given.member(benchmark.project), tmp_path, content, "file.npy", **words)


def test_the_sample_file_is_taken_as_it_is(benchmark, tmp_path, client):
    person = given.member(benchmark.project)
    client.force_login(person)
    answer = client.get(reverse("benchmarks:sample", args=[benchmark.pk]))
    assert "attachment" in answer["Content-Disposition"]
    made = send(benchmark, person, tmp_path, answer.content)
    assert made.samples_count == ROWS
    assert len(answer.content.splitlines()) == ROWS + 1


def upload(client, benchmark, content, name="file.csv", **fields):
    sent = {"name": "by page", "seed": 0, "file": SimpleUploadedFile(name, content)} | fields
    return client.post(reverse("benchmarks:submit", args=[benchmark.pk]), sent)


def test_the_page_takes_a_file_and_tells_each_bad_row(benchmark, held, client):
    client.force_login(given.member(benchmark.project))
    shares = predict(held.truth, right=0.6)
    done = upload(client, benchmark, write_csv(shares))
    assert done.url == reverse("benchmarks:show", args=[benchmark.pk])
    page = client.get(done.url).content.decode()
    score = Score.objects.get(benchmark=benchmark)
    assert f"{score.value:.3f}" in page
    assert "by page leads" in page
    assert "1 of 4 submissions of today" in page
    bad = upload(client, benchmark, write_csv(np.where(np.arange(ROWS)[:, None] < 2, 0.5, shares)))
    assert bad.status_code == 400
    said = bad.content.decode()
    assert "<li>row 1 sums to 8.5, must sum to 1 within 0.001</li><li>row 2 sums to 8.5" in said
    assert upload(client, benchmark, b"").status_code == 400
    assert upload(client, benchmark, b"1", seed="x").status_code == 400
    large = SimpleUploadedFile("large.csv", b"1")
    large.size = 1 << 30
    with pytest.raises(GeoquorumError, match="larger than 64 MiB"):
        submissions.check_size(large.size)


def test_the_table_behind_the_board_has_a_row_for_each_seed(benchmark, held, tmp_path, client):
    person = given.member(benchmark.project)
    for seed in range(2):
        content = write_npy(predict(held.truth, right=0.6, seed=seed))
        send(benchmark, person, tmp_path, content, "file.npy", seed=seed, name="=1+1")
    client.force_login(person)
    answer = client.get(reverse("benchmarks:board", args=[benchmark.pk]))
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["seed"] for row in rows] == ["0", "1"]
    assert {row["system"] for row in rows} == {"'=1+1"}, "no spreadsheet takes it for a formula"
    assert {row["protocol"] for row in rows} == {"unseen_cities"}
    assert float(rows[0]["mean"]) == pytest.approx(np.mean([float(row["value"]) for row in rows]))
    assert None not in rows[0].values()


@pytest.fixture
def program(benchmark, client):
    """A token with the scope that brings things in."""
    person = given.member(benchmark.project)
    scopes = [Token.Scope.READ, Token.Scope.IMPORT]
    secret = tokens.make_token(user=person, project=benchmark.project, name="program", scopes=scopes)[1]
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    return client


def test_the_api_takes_rows_and_files_and_lists_what_it_scored(benchmark, held, program):
    address = f"/api/v1/benchmarks/{benchmark.pk}"
    hot = np.eye(17, dtype=int)[held.truth].tolist()
    body = json.dumps({"name": "by rows", "rows": hot, "ids": list(held.ids)})
    made = program.post(f"{address}/submissions", body, content_type="application/json")
    assert (made.status_code, made.json()["value"], made.json()["board"]) == (201, 1.0, "all")
    for seed in range(2):
        file = SimpleUploadedFile("file.npy", write_npy(predict(held.truth, right=0.6, seed=seed)))
        sent = program.post(f"{address}/submissions/file?name=by+file&seed={seed}", {"file": file})
        assert sent.status_code == 201, sent.content
    first = program.get(f"{address}/scores?limit=2").json()
    assert [one["seed"] for one in first["items"]] == [1, 0]
    assert first["items"][0]["metrics"]["kappa"]["low"] is not None
    second = program.get(f"{address}/scores", {"limit": 2, "cursor": first["next"]}).json()
    assert ([one["name"] for one in second["items"]], second["next"]) == (["by rows"], None)
    board = program.get(f"{address}/board?limit=1").json()
    assert [(row["name"], row["rank"]) for row in board["items"]] == [("by rows", 1)]
    rest = program.get(f"{address}/board", {"cursor": board["next"]}).json()
    assert [(row["name"], row["rank"], row["seeds"]) for row in rest["items"]] == [("by file", 2, [0, 1])]
    known = program.get("/api/v1/benchmarks").json()["items"]
    assert benchmark.pk in {one["id"] for one in known}
    assert program.get(address).json()["protocol_words"].startswith("Trained on the training cities alone")


def test_what_the_api_refuses_is_a_problem_with_its_reason(benchmark, held, program):
    address = f"/api/v1/benchmarks/{benchmark.pk}"

    def post(path, body):
        answer = program.post(f"{address}{path}", json.dumps(body), content_type="application/json")
        assert answer["Content-Type"] == "application/problem+json"
        return answer.status_code, answer.json()["detail"]

    status, reason = post("/submissions", {"name": "x", "rows": [[1.0]]})
    assert (status, reason[:29]) == (400, "rows: row 1 has 1 values, nee")
    assert post("/submissions", {"name": "x", "rows": "all"})[0] == 422
    assert post("/submissions", {"name": "\x00", "rows": []})[0] == 422
    assert post("/submissions/run", {"run": 2**62})[0] == 404
    nan = program.post(f"{address}/submissions", '{"name": "x", "rows": [[NaN]]}', content_type="application/json")
    assert nan.status_code == 400
    for draw in range(4):
        file = SimpleUploadedFile("file.npy", write_npy(predict(held.truth, right=0.6, seed=draw)))
        assert program.post(f"{address}/submissions/file?name=y", {"file": file}).status_code == 201
    file = SimpleUploadedFile("file.npy", write_npy(predict(held.truth, right=0.6, seed=5)))
    over = program.post(f"{address}/submissions/file?name=y", {"file": file})
    assert (over.status_code, over["Retry-After"]) == (429, "5")
    assert "go on after midnight" in over.json()["detail"]


def test_curators_alone_make_benchmarks_over_the_api(version, client):
    body = {"version": version.pk, "name": "By API", "task": "lcz", "metric": "oa", "protocol": "unseen_cities"}
    client.force_login(given.member(version.project))
    assert client.post("/api/v1/benchmarks", body, content_type="application/json").status_code == 403
    client.force_login(given.member(version.project, "curator"))
    made = client.post("/api/v1/benchmarks", body, content_type="application/json")
    assert (made.status_code, made.json()["pack_sha256"]) == (201, version.sha256)
    again = client.post("/api/v1/benchmarks", body | {"metric": "f2"}, content_type="application/json")
    assert (again.status_code, again.json()["detail"][:20]) == (400, "Unknown metric 'f2'.")
    wrong = client.post("/api/v1/benchmarks", body | {"protocol": "own"}, content_type="application/json")
    assert wrong.status_code == 422


def test_a_pack_that_changed_is_not_scored_on(version, held, tmp_path):
    made = predicting.benchmark(version)
    made.pack_sha256 = "0" * 64
    with pytest.raises(GeoquorumError):
        send(made, given.member(version.project), tmp_path, write_npy(predict(held.truth, right=0.6)), "file.npy")
    assert Path(version.uri).is_dir()
