"""Local climate zones are learned by every network that reads patches, from labels and from the experts' shares."""

import pytest

from fusion.engine.session import open_session
from fusion.engine.train import train
from fusion.run import RunSpec

NETWORKS = {
    "sen2lcz": {"name": "sen2lcz", "width": 4, "depth": 5},
    "sen2lcz_multi_level": {"name": "sen2lcz", "width": 4, "depth": 5, "multi_level": True},
    "resnext_cbam": {"name": "resnext_cbam", "depth": 11, "cardinality": 2, "width": 4},
}


@pytest.mark.parametrize("target", ["label", "distribution"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_learns_zones_from_a_label_or_a_distribution(tmp_path, make_spec, name, target):
    words = {"network": NETWORKS[name], "objective": {"name": "supervised", "target": target}, "epochs": 5}
    with open_session(tmp_path) as session:
        report = train(RunSpec.from_json(make_spec(**words)), session)
    assert report.spec["network"].items() >= NETWORKS[name].items()
    assert report.spec["objective"]["target"] == target
    assert report.test["oa"]["value"] > 0.3  # five zones: chance is 0.2
