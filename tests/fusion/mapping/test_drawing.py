"""Maps drawn tile by tile are what the network says of every window, wherever tiles begin and end."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fusion.__main__ import main
from fusion.engine.checkpoint import read_checkpoint
from fusion.engine.head import TargetInfo
from fusion.engine.predictor import open_predictor
from fusion.engine.session import Stop
from fusion.engine.tiles import TileNetwork, cut_windows
from fusion.errors import CheckpointError, SpecError
from fusion.mapping.drawing import draw_tiles, open_network
from fusion.mapping.layout import MapLayout
from fusion.mapping.reading import SceneReader
from fusion.mapping.spec import MapSpec, read_scenes
from fusion.mapping.tiles import NOTHING, name_tile, read_tile
from fusion.run import CANCELLED, DONE, to_plain
from tests.fusion.mapping.scenes import make_spec, make_values, save_untrained, write_scenes_to

H, W = 150, 130
LAYOUT = MapLayout(height=H, width=W, size=16, output="vector")
WHOLE = [(0, 0, *LAYOUT.shape)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, toy_pack):
    return save_untrained(tmp_path_factory.mktemp("run"), toy_pack.folder, seed=1)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes_to(tmp_path_factory.mktemp("scenes"), make_values(H, W))


def draw(spec):
    """All tiles of a spec, each as it was kept."""
    scenes = read_scenes(spec)
    network = open_network(spec, scenes)
    done = list(draw_tiles(network, spec, scenes))
    assert done[-1:] == [len(spec.tiles)] or not done
    return {tuple(tile): read_tile(Path(spec.output), tuple(tile)) for tile in spec.tiles}


def join(tiles, name, shape=LAYOUT.shape):
    """One array [..., rows, columns] out of all tiles."""
    first = next(iter(tiles.values()))[name]
    whole = np.zeros((*first.shape[:-2], *shape), first.dtype)
    for (row, column, rows, columns), tile in tiles.items():
        whole[..., row : row + rows, column : column + columns] = tile[name]
    return whole


def ask_windows(checkpoint, scenes):
    """The same probabilities from windows that are cut, normalised and asked one batch at a time, as packs are."""
    predictor = open_predictor(read_checkpoint(checkpoint), device="cpu")
    windows = LAYOUT.find_windows(WHOLE[0])
    with SceneReader(scenes, H, W) as reader:
        stored, _ = reader.read(windows)
    cut = {
        name: np.stack(
            [
                values[0][:, 10 * row : 10 * row + 16, 10 * column : 10 * column + 16]
                for row in range(windows.down)
                for column in range(windows.across)
            ]
        )
        for name, values in stored.items()
    }
    with torch.inference_mode():
        predictor.network.eval()
        outputs = predictor.network({name: torch.from_numpy(values) for name, values in cut.items()})
        shares = predictor.head.decode(outputs, 1.0)["probability"].numpy()
    return shares.reshape(*LAYOUT.shape, -1).transpose(2, 0, 1)


def test_a_map_is_what_the_network_says_of_every_window(tmp_path, checkpoint, scenes):
    tiles = draw(make_spec(checkpoint, scenes, (H, W), tiles=tuple(WHOLE), output=str(tmp_path)))
    wanted = ask_windows(checkpoint, scenes)
    np.testing.assert_allclose(join(tiles, "shares"), wanted, atol=1e-5)
    assert (join(tiles, "places") == wanted.argmax(axis=0)).mean() > 0.99
    per_cent = join(tiles, "probability")[0]
    np.testing.assert_allclose(per_cent, 100 * wanted.max(axis=0), atol=0.51)
    entropy = -(wanted * np.log(wanted)).sum(axis=0) / np.log(17)
    np.testing.assert_allclose(join(tiles, "entropy")[0], 100 * entropy, atol=0.51)
    assert (join(tiles, "validity") == 100).all()
    np.testing.assert_allclose(tiles[WHOLE[0]]["sums"], wanted.sum(axis=(1, 2)), rtol=1e-5)


def test_tiles_of_any_size_give_one_map(tmp_path, checkpoint, scenes):
    whole = draw(make_spec(checkpoint, scenes, (H, W), tiles=tuple(WHOLE), output=str(tmp_path / "a")))
    many = LAYOUT.list_tiles(40 * 40)
    assert len(many) > 9
    parts = draw(make_spec(checkpoint, scenes, (H, W), tiles=tuple(many), output=str(tmp_path / "b"), batch_size=5))
    np.testing.assert_allclose(join(parts, "shares"), join(whole, "shares"), atol=1e-5)


def test_windows_cut_from_a_prepared_scene_are_prepared_windows_bit_for_bit(checkpoint, scenes):
    predictor = open_predictor(read_checkpoint(checkpoint), device="cpu")
    windows = LAYOUT.find_windows((2, 3, 4, 5))
    with SceneReader(scenes, H, W) as reader:
        stored, _ = reader.read(windows)
    with torch.inference_mode():
        whole = predictor.network.prepare({name: torch.from_numpy(values) for name, values in stored.items()})[0]
        views = cut_windows(whole.permute(1, 2, 0).contiguous(), windows, 0, windows.down)
        for place, view in enumerate(views):
            row, column = divmod(place, windows.across)
            own = {
                name: torch.from_numpy(values[:, :, 10 * row : 10 * row + 16, 10 * column : 10 * column + 16].copy())
                for name, values in stored.items()
            }
            assert torch.equal(predictor.network.prepare(own)[0], view)


def test_tiles_that_have_their_file_are_not_drawn_again(tmp_path, checkpoint, scenes):
    tiles = tuple(LAYOUT.list_tiles(60 * 60))
    spec = make_spec(checkpoint, scenes, (H, W), tiles=tiles, output=str(tmp_path))
    draw(spec)
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (tmp_path / name_tile(tiles[2])).unlink()
    draw(spec)
    again = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert set(again) == set(files) == {name_tile(tile) for tile in tiles}
    assert [name for name in files if files[name] != again[name]] == [name_tile(tiles[2])]


def test_where_nothing_is_no_class_is_drawn_and_the_network_is_not_asked(tmp_path, checkpoint):
    values = make_values(H, W)
    values["sentinel2"][:, :, :70] = 0
    scenes = write_scenes_to(tmp_path / "scenes", values)
    tiles = draw(make_spec(checkpoint, scenes, (H, W), tiles=((0, 0, 15, 4), (0, 4, 15, 9)), output=str(tmp_path)))
    assert set(tiles[0, 0, 15, 4]) == {"validity"}
    places = tiles[0, 4, 15, 9]["places"]
    assert (places[:, :3] == -1).all()
    assert (places[:, 3:] >= 0).all()
    validity = tiles[0, 4, 15, 9]["validity"][0]
    assert (validity[:, :3] == NOTHING).all()
    assert 50 <= validity[5, 3] < 100 == validity[5, 8]


def test_members_that_disagree_say_so(tmp_path, toy_pack, checkpoint, scenes):
    other = save_untrained(tmp_path / "other", toy_pack.folder, seed=2)
    spec = make_spec(
        checkpoint, scenes, (H, W), tiles=tuple(WHOLE), output=str(tmp_path / "a"), checkpoints=(str(other),)
    )
    tiles = draw(spec)
    alone = [ask_windows(path, scenes) for path in (checkpoint, other)]
    mean = np.mean(alone, axis=0)
    np.testing.assert_allclose(join(tiles, "shares"), mean, atol=1e-5)
    entropy = lambda shares: -(shares * np.log(shares)).sum(axis=0)  # noqa: E731
    apart = (entropy(mean) - np.mean([entropy(one) for one in alone], axis=0)) / np.log(17)
    np.testing.assert_allclose(join(tiles, "disagreement")[0], 100 * apart, atol=0.51)


def test_draws_of_dropout_are_the_same_each_time(tmp_path, checkpoint, scenes):
    words = {"tiles": ((0, 0, 4, 4),), "dropout_draws": 4}
    one, two = (
        draw(make_spec(checkpoint, scenes, (H, W), output=str(tmp_path / name), **words)) for name in ("a", "b")
    )
    assert "disagreement" in one[0, 0, 4, 4]
    for name, values in one[0, 0, 4, 4].items():
        np.testing.assert_array_equal(values, two[0, 0, 4, 4][name])


def test_what_is_stranger_than_the_threshold_is_flagged(tmp_path, checkpoint, scenes):
    words = {"tiles": tuple(WHOLE), "out_of_domain": "energy"}
    none = draw(make_spec(checkpoint, scenes, (H, W), output=str(tmp_path / "a"), threshold=1e9, **words))
    every = draw(make_spec(checkpoint, scenes, (H, W), output=str(tmp_path / "b"), threshold=-1e9, **words))
    assert (join(none, "out_of_domain") == 0).all()
    assert (join(every, "out_of_domain") == 100).all()


@pytest.mark.parametrize("field", ["bands", "dates", "dtype", "modalities"])
def test_scenes_that_do_not_fit_the_network_are_refused_and_the_field_is_named(tmp_path, checkpoint, field):
    values = make_values(H, W)
    if field == "dtype":
        values["sentinel2"] = values["sentinel2"].astype(np.int16)
    scenes = write_scenes_to(tmp_path / "scenes", values)
    spec = make_spec(checkpoint, scenes, (H, W), tiles=((0, 0, 2, 2),), output=str(tmp_path))
    own = spec.scenes["sentinel2"]
    if field == "bands":
        own["bands"] = tuple(reversed(own["bands"]))
    if field == "dates":
        own["dates"] = [*own["dates"], *own["dates"]]
    if field == "modalities":
        del spec.scenes["sentinel2"]
    with pytest.raises(CheckpointError, match=f"{field}.*sentinel2"):
        draw(spec)
    assert not list(tmp_path.glob("tile-*"))


def write_spec(folder, spec: MapSpec):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "map.json"
    path.write_text(json.dumps(to_plain(spec)))
    return path


def test_the_command_draws_a_map_and_tells_of_it(tmp_path, checkpoint, scenes):
    tiles = tuple(LAYOUT.list_tiles(60 * 60))
    spec = make_spec(checkpoint, scenes, (H, W), tiles=tiles, output=str(tmp_path / "tiles"))
    assert main(["map", str(write_spec(tmp_path, spec))]) == DONE
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events][0 :: len(events) - 1] == ["start", "done"]
    assert events[-1]["tiles"] == len(tiles) == len(list((tmp_path / "tiles").iterdir()))


def test_a_stop_leaves_whole_tiles(tmp_path, checkpoint, scenes, monkeypatch):
    tiles = tuple(LAYOUT.list_tiles(40 * 40))
    spec = make_spec(checkpoint, scenes, (H, W), tiles=tiles, output=str(tmp_path / "tiles"))
    really_check = Stop.check

    def check_as_if_asked(stop):
        stop.is_requested = True
        really_check(stop)

    monkeypatch.setattr(Stop, "check", check_as_if_asked)
    assert main(["map", str(write_spec(tmp_path, spec))]) == CANCELLED
    done = list((tmp_path / "tiles").iterdir())
    assert 0 < len(done) < len(spec.tiles)
    assert all(path.name.startswith("tile-") for path in done)


def test_a_network_that_finds_boxes_draws_no_map():
    inputs = (SimpleNamespace(shape=(2, 24, 24)),)
    ensemble = SimpleNamespace(target=TargetInfo(name="plates", head="boxes"), inputs=inputs)
    with pytest.raises(SpecError, match="head is 'boxes' draws no map"):
        TileNetwork(ensemble=ensemble).lay_out(100, 100)
