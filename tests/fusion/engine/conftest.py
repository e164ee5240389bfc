"""A training that tests of the engine share."""

import pytest

from fusion.engine.session import open_session
from fusion.engine.train import train
from fusion.run import RunSpec
from tests.fusion.conftest import TOY_RUN


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, toy_pack):
    """A finished training on the toy pack; tests read it and write elsewhere."""
    folder = tmp_path_factory.mktemp("run")
    words = {**TOY_RUN, "pack": str(toy_pack.folder), "baselines": [], "calibration": "temperature"}
    with open_session(folder) as session:
        train(RunSpec.from_json(words), session)
    return folder
