"""Runs small enough to train for real in a second or two."""

from typing import Any

import pytest

from geoquorum.training import launcher

TINY: dict[str, Any] = {
    "network": {"name": "sen2lcz", "width": 4, "depth": 5},
    "epochs": 2,
    "batch_size": 4,
    "resamples": 20,
    "baselines": ["majority_class"],
    "threads": 1,
    "device": "cpu",
}


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Fields of a RunSpec for a network of four channels and two epochs."""
    return dict(TINY)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch):
    """The launcher looks ten times a second."""
    monkeypatch.setattr(launcher, "POLL_S", 0.1)


@pytest.fixture(scope="module")
def run(shared_rows, tiny):
    """Trained on one city, chosen by another, tested on the third."""
    from geoquorum.training import services  # models: not before Django is set up
    from tests import given

    version = given.version(given.project(), cities=3)
    made = services.start_run(version=version, task="lcz", by=None, changes=tiny)
    given.work(made.job, services.execute_run)
    made.refresh_from_db()
    return made
