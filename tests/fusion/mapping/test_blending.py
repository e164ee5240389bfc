"""Networks that give a map for each window: overlapping windows are blended, and no border of one is seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fusion.engine.checkpoint import read_checkpoint
from fusion.engine.predictor import open_predictor
from fusion.engine.tiles import TileNetwork
from fusion.engine.uncertainty import Ensemble
from fusion.mapping.tiles import describe_tile
from fusion.pack import Pack
from tests.fusion.engine.shaped_runs import use_task
from tests.fusion.mapping.scenes import save_untrained
from tests.fusion.shaped_packs import SIDE, make_samples, write_shaped_pack

H, W = 100, 90
UNET = {"name": "unet", "width": 4, "depth": 2}
STRIDE = SIDE // 2


@pytest.fixture(scope="module")
def pack(tmp_path_factory) -> Pack:
    return write_shaped_pack(tmp_path_factory.mktemp("packs") / "shaped", make_samples())


@pytest.fixture
def open_tiles(pack, tmp_path, monkeypatch):
    """A network of a head as it begins, over scenes of H x W pixels."""

    def make(head, target, metric, objective=None, seeds=(0,)):
        use_task(monkeypatch, head, target, metric)
        words = {"task": "made", "network": UNET, **({"objective": objective} if objective else {})}
        predictors = []
        for seed in seeds:
            path = save_untrained(tmp_path / f"run-{seed}", pack.folder, seed=seed, **words)
            predictors.append(open_predictor(read_checkpoint(path), device="cpu"))
        network = TileNetwork(ensemble=Ensemble(networks=tuple(predictors)), batch_size=7)
        return network, network.lay_out(H, W)

    return make


def predict(network, layout, scene, most_px):
    """The whole map of a scene [band, y, x], drawn in tiles."""
    padded = np.pad(scene, ((0, 0), (200, 200), (200, 200)), mode="symmetric")
    found = {}
    for tile in layout.list_tiles(most_px):
        windows = layout.find_windows(tile)
        top, left, height, width = windows.box
        box = padded[None, :, top + 200 : top + 200 + height, left + 200 : left + 200 + width]
        for name, values in network.predict({"s2": box}, windows, layout, tile).items():
            whole = found.setdefault(name, np.zeros((len(values), *layout.shape), np.float32))
            row, column, rows, columns = tile
            whole[:, row : row + rows, column : column + columns] = values
    return found


def make_scene(seed=0):
    return np.random.default_rng(seed).integers(500, 6000, (2, H, W)).astype(np.uint16)


def test_a_map_has_a_value_for_each_pixel_of_the_scene(open_tiles):
    network, layout = open_tiles("mask", "ground", "oa")
    assert (layout.output, layout.shape) == ("map", (H, W))
    shares = predict(network, layout, make_scene(), 10**9)["probability"]
    assert shares.shape == (2, H, W)
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("most_px", [24 * 24, 40 * 40, 70 * 70])
def test_where_tiles_begin_and_end_cannot_be_seen(open_tiles, most_px):
    """Drawn in many tiles, a map is that drawn in one: to the last digits of float32."""
    network, layout = open_tiles("mask", "ground", "oa")
    whole, parts = (predict(network, layout, make_scene(), size)["probability"] for size in (10**9, most_px))
    assert len(layout.list_tiles(most_px)) > 3
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_a_scene_of_one_value_has_no_seam(open_tiles):
    """Every window answers alike, so the map repeats itself at each stride, and between windows as within them."""
    network, layout = open_tiles("field", "height", "rmse")
    values = predict(network, layout, np.full((2, H, W), 2000, np.uint16), 40 * 40)["mean"][0]
    inner = values[: H // STRIDE * STRIDE, : W // STRIDE * STRIDE]
    np.testing.assert_allclose(inner, np.tile(inner[:STRIDE, :STRIDE], (H // STRIDE, W // STRIDE)), atol=1e-4)
    steps = np.abs(np.diff(inner, axis=0)).max(axis=1)
    borders = np.arange(STRIDE - 1, len(steps), STRIDE)
    assert steps[borders].max() <= steps.max() + 1e-6
    moved = predict(network, layout, np.full((2, H, W), 2000, np.uint16), 10**9)["mean"][0]
    np.testing.assert_allclose(values, moved, atol=1e-4)


class Ring(torch.nn.Module):
    """Answers `height` in the outermost pixels of every window and 0 within: a border effect and nothing else."""

    def __init__(self, height, pixels=1):
        super().__init__()
        self.height, self.pixels = height, pixels

    def forward(self, image):
        made = torch.full((len(image), 1, *image.shape[-2:]), float(self.height))
        inside = slice(self.pixels, -self.pixels)
        made[..., inside, inside] = 0
        return made


@pytest.mark.parametrize(("pixels", "most"), [(1, 0.01), (2, 0.08)])
def test_what_a_network_does_at_its_border_hardly_shows(open_tiles, pixels, most):
    """Of a border effect of 1 less than 0.01 is left where 1 pixel of 24 has it, less than 0.08 where 2 have."""
    network, layout = open_tiles("field", "height", "rmse")
    predictor = network.ensemble.first
    predictor.network.architecture = Ring(1.0, pixels)
    plain = replace(predictor, head=replace(predictor.head, decode=lambda outputs, temperature: {"mean": outputs}))
    network = replace(network, ensemble=Ensemble(networks=(plain,)))
    values = predict(network, layout, make_scene(), 40 * 40)["mean"][0]
    assert 0 < values.max() < most
    assert max(np.abs(np.diff(values, axis=axis)).max() for axis in (0, 1)) < most


def test_a_field_has_its_standard_deviation_and_members_add_to_it(open_tiles):
    words = {"name": "supervised", "variance": True}
    network, layout = open_tiles("field", "height", "rmse", objective=words, seeds=(0, 1))
    both = predict(network, layout, make_scene(), 10**9)
    alone = [
        predict(replace(network, ensemble=Ensemble(networks=(one,))), layout, make_scene(), 10**9)
        for one in network.ensemble.networks
    ]
    assert both["mean"].shape == both["variance"].shape == (1, H, W)
    np.testing.assert_allclose(both["mean"], np.mean([one["mean"] for one in alone], axis=0), atol=1e-3)
    assert both["variance"].mean() > np.mean([one["variance"].mean() for one in alone])
    seen = np.ones((H, W), bool)
    kept = describe_tile(both, seen, np.ones((H, W), np.float32), keep=False)
    assert set(kept) == {"validity", "value", "deviation"}
    np.testing.assert_allclose(kept["deviation"] ** 2, both["variance"], rtol=1e-4)
