"""ReCNN on the real Taizhou pair (Landsat 2000 and 2003) with the authors' fixed train and test maps."""

from pathlib import Path

import pytest

from tests.benchmarks.recnn_taizhou import BASELINES, START, Workshop
from tests.benchmarks.taizhou import FOLDER, read_pair

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    if not (real_data / FOLDER).is_dir():
        pytest.skip(f"{FOLDER} is not among the real files of this machine")
    return Workshop(tmp_path_factory.mktemp("taizhou"), read_pair(real_data))


def test_the_pack_has_the_pixels_of_the_published_maps(shop):
    assert shop.pack("change", 3, part="test").manifest["counts"]["test"] == {"unchanged": 16961, "changed": 4055}
    pack = shop.pack("change_kinds", 3, part="search")
    assert pack.manifest["splits"] == {"train": 1800, "validation": 200, "test": 0, "": 0}
    assert not pack.manifest["provenance"]["simulated"]


def test_change_on_the_authors_test_map_has_a_kappa_above_0_9_and_above_every_baseline(shop):
    report, _ = shop.train(START, "change", 0, part="test", baselines=list(BASELINES["change"]))
    assert report.test["kappa"]["value"] > 0.9
    assert report.test["kappa"]["low"] > 0.85
    others = {name: scored["kappa"]["value"] for name, scored in report.baselines.items()}
    assert others["majority_class"] == 0
    assert others["change_vectors"] < 0.35 < others["logistic"] < report.test["kappa"]["value"]


def test_kinds_of_change_have_a_kappa_above_0_8(shop):
    report, _ = shop.train(START, "change_kinds", 0, part="test")
    assert report.test["kappa"]["value"] > 0.8
    assert min(report.test["f1"][code]["recall"] for code in report.test["codes"]) > 0.8
