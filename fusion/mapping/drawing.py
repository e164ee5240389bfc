"""Tiles of a map from scenes to files: the next is read and the last one written while the network looks at one."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from fusion.engine.normalise import Normalise
from fusion.engine.predictor import Predictor, find_checkpoints
from fusion.engine.session import Session
from fusion.engine.strangeness import open_gauge
from fusion.engine.tiles import TileNetwork, check_scenes
from fusion.engine.uncertainty import open_ensemble
from fusion.mapping.layout import MapLayout, Windows, weigh
from fusion.mapping.reading import SceneReader
from fusion.mapping.spec import ArrayWords, MapSpec, Tile, read_scenes
from fusion.mapping.tiles import describe_tile, find_seen, is_finished, measure_validity, save_tile

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A tile as it was read."""

    tile: Tile
    windows: Windows
    stored: dict[str, Array]
    valid: Mask


def draw(spec: MapSpec, session: Session) -> int:
    """Draw the tiles of a spec that have no file yet, and say how many there were."""
    scenes = read_scenes(spec)
    network = open_network(spec, scenes)
    session.events.write("start", checkpoint=spec.checkpoint, tiles=len(spec.tiles))
    done = 0
    for done in draw_tiles(network, spec, scenes):
        if session.events.is_step_due():
            session.events.write("step", step=done, steps=len(spec.tiles), share=round(done / len(spec.tiles), 4))
        session.stop.check()
    session.events.write("done", tiles=done)
    return done


def open_network(spec: MapSpec, scenes: Mapping[str, ArrayWords]) -> TileNetwork:
    """The networks that a spec names, compared with the scenes; offsets of the scenes take the place of the pack's."""
    ensemble = open_ensemble(
        find_checkpoints(Path(spec.checkpoint)),
        spec.checkpoints,
        draws=spec.dropout_draws,
        seed=spec.seed,
        temperature=spec.temperature,
        device=spec.device,
        threads=spec.threads,
    )
    for predictor in ensemble.networks:
        check_scenes(predictor, scenes)
        replace_offsets(predictor, scenes)
    method = spec.out_of_domain if spec.threshold is not None else "none"
    gauge = open_gauge(method, ensemble.networks, Path(spec.checkpoint))
    return TileNetwork(ensemble=replace(ensemble, gauge=gauge), batch_size=spec.batch_size)


def replace_offsets(predictor: Predictor, scenes: Mapping[str, ArrayWords]) -> None:
    """What is added to stored values is the scenes' own."""
    for part, step in zip(predictor.inputs, predictor.network.normalise, strict=True):
        cast(Normalise, step).offset.fill_(scenes[part.name].offset)


def draw_tiles(network: TileNetwork, spec: MapSpec, scenes: Mapping[str, ArrayWords]) -> Iterator[int]:
    """Draw the tiles that have no file yet; after each, how many of all are done."""
    layout, folder = network.lay_out(spec.height, spec.width), Path(spec.output)
    folder.mkdir(parents=True, exist_ok=True)
    tiles = [cast(Tile, tuple(tile)) for tile in spec.tiles]
    missing = [tile for tile in tiles if not is_finished(folder, tile)]
    done = len(tiles) - len(missing)
    with (
        SceneReader(scenes, spec.height, spec.width, spec.hosts) as reader,
        ThreadPoolExecutor(1) as fetching,
        ThreadPoolExecutor(1) as keeping,
    ):
        kept: Future[Path] | None = None
        for seen in _read_ahead(fetching, reader, layout, missing):
            found = look(network, layout, seen, spec.threshold)
            if kept is not None:
                kept.result()
                done += 1
                yield done
            kept = keeping.submit(_keep, folder, seen, found, layout, spec.keep_probabilities)
        if kept is not None:
            kept.result()
            yield len(tiles)


def look(network: TileNetwork, layout: MapLayout, seen: Seen, threshold: float | None = None) -> dict[str, Array]:
    """What the network says of a tile, flags beyond the threshold; nothing where the tile holds no data."""
    if not seen.valid.any():
        return {}
    found = network.predict(seen.stored, seen.windows, layout, seen.tile)
    strangeness = found.pop("strangeness", None)
    if strangeness is not None and threshold is not None:
        found["out_of_domain"] = (strangeness.astype(np.float32) > threshold).astype(np.float32)
    return found


def _read_ahead(
    pool: ThreadPoolExecutor, reader: SceneReader, layout: MapLayout, tiles: Sequence[Tile]
) -> Iterator[Seen]:
    """One tile ahead: never more than two are in memory."""

    def read(tile: Tile) -> Seen:
        windows = layout.find_windows(tile)
        stored, valid = reader.read(windows)
        return Seen(tile=tile, windows=windows, stored=stored, valid=valid)

    coming = pool.submit(read, tiles[0]) if tiles else None
    for place in range(len(tiles)):
        assert coming is not None
        seen = coming.result()
        coming = pool.submit(read, tiles[place + 1]) if place + 1 < len(tiles) else None
        yield seen


def _keep(folder: Path, seen: Seen, found: Mapping[str, Array], layout: MapLayout, keep: bool) -> Path:
    row, column, rows, columns = seen.tile
    shares = measure_validity(seen.valid, seen.windows)
    if layout.output == "vector":
        mask, validity = find_seen(seen.valid, seen.windows), shares
    else:
        y, x = row - seen.windows.top, column - seen.windows.left
        own = (slice(y, y + rows), slice(x, x + columns))
        mask, validity = seen.valid[own], _blend_shares(shares, seen.windows)[own]
    keeps = keep or layout.output == "vector"
    return save_tile(folder, seen.tile, describe_tile(found, mask, validity, keep=keeps))


def _blend_shares(shares: Floats, windows: Windows) -> Floats:
    """The windows' shares [down, across] blended into every pixel [y, x] as answers are."""
    _, _, height, width = windows.box
    if (shares == 1).all():
        return np.ones((height, width), dtype=np.float32)
    weight, sums, weights = weigh(windows.size), np.zeros((height, width), np.float32), np.zeros((height, width))
    for row in range(windows.down):
        for column in range(windows.across):
            y, x = row * windows.stride, column * windows.stride
            place = (slice(y, y + windows.size), slice(x, x + windows.size))
            sums[place] += weight * shares[row, column]
            weights[place] += weight
    return np.asarray(sums / np.maximum(weights, 1e-9), dtype=np.float32)
