"""Every task names kinds that exist, and its defaults make a spec."""

import pytest

from fusion import modality as modalities
from fusion import registry
from fusion import scheme as schemes
from fusion import task as tasks
from fusion.engine import head as heads
from fusion.engine import network as networks
from fusion.errors import UnknownKindError
from fusion.run import RunSpec

NAMES = registry.list_names("fusion.tasks")


@pytest.mark.parametrize("name", NAMES)
def test_a_task_names_inputs_scheme_network_head_and_metric_that_exist(name):
    task = tasks.find(name)
    assert task.name == name
    assert set(task.modalities) <= set(modalities.load_all())
    assert task.scheme is None or len(schemes.find(task.scheme)) > 1
    head = heads.find(task.head)
    assert task.metric in head.metrics
    assert head.output in (networks.find(task.network).output, "either")


@pytest.mark.parametrize("name", NAMES)
def test_the_defaults_of_a_task_make_a_whole_spec(name):
    spec = RunSpec.from_json({"task": name, "pack": "p"})
    assert spec.network["name"] == tasks.find(name).network
    assert spec.objective["name"] == tasks.find(name).objective
    assert RunSpec.from_json(spec.to_json()) == spec


def test_local_climate_zones_are_learned_from_both_sensors_and_all_votes():
    spec = RunSpec.from_json({"task": "lcz", "pack": "p"})
    assert spec.modalities == ("sentinel1", "sentinel2")
    assert spec.objective["target"] == "distribution"
    assert spec.network["depth"] == 17


def test_an_unknown_task_is_answered_with_the_known_ones():
    with pytest.raises(UnknownKindError, match=r"Unknown task 'lzc'. Known: .*lcz, .*patch_classes"):
        tasks.find("lzc")
