"""The daily limit and a name's owner under posts at the same moment, on a real PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from geoquorum.training.models import Score, Submission, SubmissionCount
from geoquorum.training.scoring import open_held_out
from tests import given
from tests.geoquorum.training import predicting
from tests.geoquorum.training.predicting import predict, write_npy

pytestmark = pytest.mark.django_db(transaction=True)
LIMIT, POSTS = 3, 10


@pytest.fixture
def benchmark(settings, tmp_path):
    settings.GEOQUORUM_DATA = tmp_path / "data"
    return predicting.benchmark(predicting.version(given.project(), tmp_path), daily_limit=LIMIT)


def post_together(benchmark, clients, contents, names):
    """Status of posts that start at the same moment, each in a thread with a connection of its own."""
    barrier = threading.Barrier(len(clients))

    def post(client, content, name):
        barrier.wait()
        try:
            file = SimpleUploadedFile("file.npy", content)
            address = f"/api/v1/benchmarks/{benchmark.pk}/submissions/file?name={name}"
            return client.post(address, {"file": file}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(len(clients)) as pool:
        return sorted(pool.map(post, clients, contents, names))


def sign_in(user, count):
    clients = [Client() for _ in range(count)]
    for client in clients:
        client.force_login(user)
    return clients


def make_files(benchmark, count):
    truth = open_held_out(benchmark).truth
    return [write_npy(predict(truth, right=0.6, seed=seed)) for seed in range(count)]


def test_ten_posts_at_once_are_as_many_as_the_limit_says(benchmark, tmp_path):
    clients = sign_in(given.member(benchmark.project), POSTS)
    names = [f"system{number}" for number in range(POSTS)]
    found = post_together(benchmark, clients, make_files(benchmark, POSTS), names)
    assert found == [201] * LIMIT + [429] * (POSTS - LIMIT)
    assert Score.objects.count() == Submission.objects.count() == SubmissionCount.objects.get().used == LIMIT
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert len(kept) == LIMIT, "what was refused left no file"


def test_the_same_file_at_once_is_one_score(benchmark):
    clients = sign_in(given.member(benchmark.project), 6)
    [content] = make_files(benchmark, 1)
    assert post_together(benchmark, clients, [content] * 6, ["system"] * 6) == [201] * 6
    assert Score.objects.count() == SubmissionCount.objects.get().used == 1


def test_one_name_at_once_is_one_persons(benchmark):
    clients = [client for _ in range(4) for client in sign_in(given.member(benchmark.project), 1)]
    found = post_together(benchmark, clients, make_files(benchmark, 4), ["system"] * 4)
    assert found == [201, 409, 409, 409]
    assert Score.objects.count() == Submission.objects.count() == 1
