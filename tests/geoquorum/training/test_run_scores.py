"""A run's checkpoint on a benchmark: predicted by a job, scored as an upload of the same predictions would be."""

import numpy as np
import pytest

from fusion.errors import GeoquorumError
from geoquorum.queue.models import JobState
from geoquorum.training import benchmarks, run_scores, services, submissions
from geoquorum.training.models import Benchmark, Run, RunState, Score, Submission
from geoquorum.training.ranking import rank_benchmark
from geoquorum.training.run_scores import hash_settings
from geoquorum.training.submissions import Sender
from tests import given
from tests.geoquorum.training import predicting

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture(scope="module")
def version(shared_rows):
    return predicting.voted_version(given.project())


@pytest.fixture(scope="module")
def runs(version, tiny):
    """Two seeds of one system."""
    made = [
        services.start_run(version=version, task="lcz", by=None, changes=tiny | {"seed": seed}) for seed in range(2)
    ]
    for run in made:
        given.work(run.job, services.execute_run)
        run.refresh_from_db()
        assert run.state == RunState.DONE, run.reason
    return made


@pytest.fixture
def benchmark(version):
    words = {"name": "Own", "task": "lcz", "metric": "oa", "protocol": "unseen_cities", "by": None, "resamples": 200}
    return benchmarks.create_benchmark(version=version, daily_limit=3, **words)


def test_a_run_is_scored_from_its_checkpoint_as_its_predictions_would_be(benchmark, runs, tmp_path):
    person = given.member(benchmark.project)
    for run in runs:
        waiting = run_scores.start_scoring(benchmark=benchmark, run=run, by=person)
        with pytest.raises(GeoquorumError, match="is being scored here"):
            run_scores.start_scoring(benchmark=benchmark, run=run, by=person)
        job = given.work(waiting.job, run_scores.execute_scoring)
        assert job.state == JobState.DONE, job.reason
    [row] = rank_benchmark(benchmark).rows
    assert [seed.seed for seed in row.seeds] == [0, 1], "two seeds of the same settings are one system"
    assert row.run == runs[1]
    for run, seed in zip(runs, row.seeds, strict=True):
        assert seed.value == pytest.approx(run.report["test"]["oa"]["value"])
        path = tmp_path / "again.npy"
        np.save(path, np.load(seed.score.predictions_uri))
        sender = Sender(by=given.member(benchmark.project), name=f"upload of {run.pk}")
        again = submissions.submit_file(benchmark=benchmark, path=path, sender=sender)
        assert (again.value, again.low, again.high) == (seed.value, seed.low, seed.high)
        assert bytes(again.draws) == bytes(seed.score.draws)
    with pytest.raises(GeoquorumError, match="already scored here"):
        run_scores.start_scoring(benchmark=benchmark, run=runs[0], by=person)
    assert submissions.count_used(benchmark=benchmark, user=person) == 2


def test_a_run_of_another_version_or_unfinished_is_refused(benchmark, runs, version):
    unfinished = Run.objects.create(project=version.project, version=version, name="r", task="lcz", spec=runs[0].spec)
    with pytest.raises(GeoquorumError, match="a finished run on zones 1"):
        run_scores.start_scoring(benchmark=benchmark, run=unfinished, by=None)
    other = type(version).objects.create(project=version.project, name="other", number=1)
    elsewhere = Run.objects.create(
        project=version.project, version=other, name="r", task="lcz", spec=runs[0].spec, state="done", report={}
    )
    with pytest.raises(GeoquorumError, match="a finished run on zones 1"):
        run_scores.start_scoring(benchmark=benchmark, run=elsewhere, by=None)


def test_the_versions_own_benchmark_has_runs_as_systems_and_baselines_without_rank(version, runs):
    own = Benchmark.objects.get(version=version, is_automatic=True)
    assert (own.protocol, own.pack_sha256, own.scheme) == ("unseen_cities", version.sha256, "lcz17")
    rows = rank_benchmark(own).rows
    [system] = [row for row in rows if not row.is_baseline]
    [baseline] = [row for row in rows if row.is_baseline]
    assert (system.rank, len(system.seeds), baseline.rank) == (1, 2, None)
    assert baseline.submission.name == "majority_class"
    assert system.value == pytest.approx(np.mean([run.report["test"]["oa"]["value"] for run in runs]))
    assert all(bytes(score.draws) for score in Score.objects.filter(submission=system.submission)), (
        "what a run stored of the test samples is enough to compare it in pairs"
    )


def test_settings_differ_in_everything_but_the_seed_and_where_it_ran(runs):
    spec = runs[0].spec
    assert hash_settings(spec) == hash_settings(spec | {"seed": 9, "device": "cuda", "threads": 4})
    assert hash_settings(spec) != hash_settings(spec | {"epochs": 3})
    assert Submission.objects.filter(settings_sha256=hash_settings(spec)).exists()
