"""Clouds cover what is asked for, are as bright as their thickness says, and leave clear ground as it was."""

import numpy as np
import pytest

from fusion import modality as modalities
from fusion.errors import BadInputError
from fusion.world.clouds import KINDS, CloudTruth, add_clouds
from fusion.world.ground import Ground, draw_ground
from fusion.world.optics import OpticalScene, render_sentinel2
from fusion.world.plan import plan_world
from fusion.world.world import City


@pytest.fixture(scope="module")
def city() -> City:
    return plan_world(3, cities=1, cells=4).cities[0]


@pytest.fixture(scope="module")
def ground(city: City) -> Ground:
    return draw_ground(city)


@pytest.fixture(scope="module")
def clear(city: City, ground: Ground) -> OpticalScene:
    return render_sentinel2(city, ground, "summer")


def reflectance(scene: OpticalScene) -> np.ndarray:
    return modalities.physical(modalities.find("sentinel2"), scene.numbers, scene.offset)


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_the_sky_is_covered_as_asked(city: City, ground: Ground, clear: OpticalScene, share: float) -> None:
    _, truth = add_clouds(city, ground, clear, {"medium": share})
    assert truth.is_cloud.mean() == pytest.approx(share, abs=1e-3)
    assert set(np.unique(truth.probability)) == {0, 100}


def test_thicker_clouds_are_brighter_and_hide_more(city: City, ground: Ground, clear: OpticalScene) -> None:
    bright, hidden = [], []
    for kind, (edge, middle, _) in KINDS.items():
        scene, truth = add_clouds(city, ground, clear, {kind: 0.5})
        under = truth.is_cloud
        assert edge <= truth.thickness[under].min() <= truth.thickness[under].max() <= middle
        red, before = reflectance(scene)[2][under], reflectance(clear)[2][under]
        bright.append(red.mean())
        hidden.append(np.polyfit(before, red, 1)[0])
    assert bright == sorted(bright)
    assert bright[0] > reflectance(clear)[2].mean()
    assert 0.6 < bright[-1] < 0.95
    # Thin cloud lets most of the ground's contrast through, thick cloud hardly any.
    assert hidden[0] > 0.5 > 0.15 > abs(hidden[-1])


def test_clear_ground_keeps_its_bytes_and_shadow_is_darker(city: City, ground: Ground, clear: OpticalScene) -> None:
    scene, truth = add_clouds(city, ground, clear, {"thin": 0.1, "medium": 0.1, "thick": 0.15})
    is_clear = ~truth.is_cloud & ~truth.is_shadow
    assert is_clear.any()
    assert truth.is_shadow.any()
    assert (scene.numbers[:, is_clear] == clear.numbers[:, is_clear]).all()
    assert (scene.numbers[:, truth.is_shadow] <= clear.numbers[:, truth.is_shadow]).all()
    deep = truth.is_shadow & (truth.classes == 3)
    assert reflectance(scene)[2][deep].mean() < 0.95 * reflectance(clear)[2][deep].mean()


def test_classes_are_those_of_the_scene_classification(city: City, ground: Ground, clear: OpticalScene) -> None:
    _, truth = add_clouds(city, ground, clear, {"thin": 0.1, "medium": 0.1, "thick": 0.1})
    known = {one.value for one in modalities.find("sentinel2_scl").classes}
    assert set(np.unique(truth.classes).tolist()) <= known
    assert (np.isin(truth.classes, (8, 9, 10)) == truth.is_cloud).all()
    assert (truth.thickness[truth.classes == 9] >= 23).all()
    assert (truth.thickness[truth.classes == 10] <= 3.6).all()
    is_clear = ~truth.is_cloud & ~truth.is_shadow
    assert (truth.classes[is_clear & (city.truth == 16)] == 6).all()


def test_the_same_seed_gives_the_same_clouds_and_another_others(
    city: City, ground: Ground, clear: OpticalScene
) -> None:
    def draw(seed: int) -> CloudTruth:
        return add_clouds(city, ground, clear, {"thick": 0.3}, seed=seed)[1]

    assert (draw(1).thickness == draw(1).thickness).all()
    assert (draw(1).is_cloud != draw(2).is_cloud).mean() > 0.1


def test_no_cover_changes_nothing(city: City, ground: Ground, clear: OpticalScene) -> None:
    scene, truth = add_clouds(city, ground, clear, {})
    assert (scene.numbers == clear.numbers).all()
    assert not truth.is_cloud.any()
    assert not truth.is_shadow.any()


@pytest.mark.parametrize(("cover", "said"), [({"fluffy": 0.1}, "no fluffy clouds"), ({"thin": 1.2}, "no share")])
def test_clouds_that_cannot_be_are_refused(
    city: City, ground: Ground, clear: OpticalScene, cover: dict[str, float], said: str
) -> None:
    with pytest.raises(BadInputError, match=said):
        add_clouds(city, ground, clear, cover)
