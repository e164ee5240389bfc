"""Maps: a run's network over a region, every 100 m, as a COG with a confidence band."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import transaction
from safetensors.numpy import save_file

from fusion import grid, maps, scores
from fusion import scheme as schemes
from fusion.errors import BadInputError, GeoquorumError, SpecError
from fusion.pack import Pack
from fusion.run import DONE
from fusion.sources import geotiff
from geoquorum.accounts.models import User
from geoquorum.accounts.services import record
from geoquorum.catalog.models import Reference, Region, Scene
from geoquorum.catalog.pixels import find_scene, kept_offset, list_bands, raster_of, remove_offset
from geoquorum.queue.models import Job
from geoquorum.queue.services import Claim, Retry, enqueue
from geoquorum.training.launcher import launch
from geoquorum.training.models import MapProduct, Run, RunState

STEP_PX = 10  # one map pixel each 100 m, the resolution of published LCZ maps
MOST_WINDOWS = 40_000  # about 3 GB of Sentinel-1 and -2 windows; larger regions are mapped in parts


@dataclass(frozen=True, kw_only=True)
class Mosaic:
    """Stored values of one scene [band, y, x] on its own raster, its validity [y, x], EPSG and transform."""

    values: npt.NDArray[np.generic]
    valid: npt.NDArray[np.bool_]
    epsg: int
    transform: tuple[float, ...]
    offset: float


def start_map(*, run: Run, region: Region, by: User | None) -> MapProduct:
    """Queues the map of a region by a finished run."""
    if run.state != RunState.DONE:
        raise SpecError(f"Run {run} is {run.get_state_display()}: only a finished run can draw a map.")
    with transaction.atomic():
        product, _created = MapProduct.objects.update_or_create(
            run=run,
            region=region,
            defaults={
                "checkpoint": run.checkpoints.filter(is_best=True).order_by("-pk").first(),
                "state": RunState.QUEUED,
                "reason": "",
            },
        )
        product.job = enqueue(
            "geoquorum.training.jobs.draw_map",
            project=run.project,
            arguments={"map": product.pk},
            queue="training",
            by=by,
        )
        product.save(update_fields=["job"])
        record(project=run.project, actor=by, action="map started", subject=f"map {product.pk}")
    return product


def execute_map(job: Job, claim: Claim) -> dict[str, Any]:
    """Cuts windows around each map pixel, predicts them in a child process, and writes the map."""
    product = MapProduct.objects.select_related("run__version", "region").get(pk=job.arguments["map"])
    MapProduct.objects.filter(pk=product.pk).update(state=RunState.RUNNING)
    folder = Path(product.run.folder) / "maps" / product.region.slug
    folder.mkdir(parents=True, exist_ok=True)
    try:
        facts = _draw(product, folder, claim)
    except GeoquorumError as error:
        MapProduct.objects.filter(pk=product.pk).update(state=RunState.FAILED, reason=str(error))
        raise
    with transaction.atomic():
        claim.lock()
        MapProduct.objects.filter(pk=product.pk).update(state=RunState.DONE, reason="", **facts)
    return {"map": product.pk}


def _draw(product: MapProduct, folder: Path, claim: Claim) -> dict[str, Any]:
    run = product.run
    pack = Pack.open(Path(run.version.uri), sha256=run.version.sha256)
    seasons = {entry["modality"]: entry.get("season", "") for entry in run.version.modalities}
    mosaics = {
        name: read_mosaic(find_scene(product.region, name, seasons.get(name, "")), pack.array(name).bands)
        for name in run.spec["modalities"]
    }
    first = _check_alike(product.region, mosaics)
    size = pack.array(run.spec["modalities"][0]).shape[-1]
    claim.progress(0.1, "windows")
    windows = {name: cut_windows(mosaic.values, size) for name, mosaic in mosaics.items()}
    rows, columns = next(iter(windows.values())).shape[:2]
    arrays = folder / "windows.safetensors"
    save_file({name: np.ascontiguousarray(cut.reshape(-1, *cut.shape[2:])) for name, cut in windows.items()}, arrays)
    claim.progress(0.3, "predicting")
    probabilities = _predict(product, folder, arrays, {name: m.offset for name, m in mosaics.items()}, claim)
    arrays.unlink()
    valid = np.logical_and.reduce([mosaic.valid for mosaic in mosaics.values()])
    is_seen = valid[STEP_PX // 2 :: STEP_PX, STEP_PX // 2 :: STEP_PX][:rows, :columns]
    return _write(product, folder, pack, probabilities.reshape(rows, columns, -1), is_seen, first)


def read_mosaic(scene: Scene, bands: tuple[str, ...]) -> Mosaic:
    """A whole scene as stored, its offset worked in as in packs."""
    assets = list(scene.assets.order_by("pk"))
    missing = [band for band in bands if band not in list_bands(scene)]
    if missing or len(assets) != 1:
        raise BadInputError(
            f"Scene {scene.name!r} cannot be mapped: it needs one file with the bands {', '.join(bands)}."
        )
    asset = assets[0]
    values, valid = geotiff.read_window(raster_of(asset), bands, window=(0, 0, asset.width, asset.height))
    values = np.where(valid, values, 0).astype(values.dtype)
    return Mosaic(
        values=remove_offset(values, asset),
        valid=valid,
        epsg=asset.epsg,
        transform=tuple(asset.transform),
        offset=kept_offset(asset),
    )


def cut_windows(values: npt.NDArray[np.generic], size: int) -> npt.NDArray[np.generic]:
    """Windows [row, column, band, size, size] centred on every STEP_PX-th pixel block; the border is mirrored."""
    _bands, height, width = values.shape
    rows, columns = height // STEP_PX, width // STEP_PX
    if rows * columns > MOST_WINDOWS:
        raise BadInputError(f"{rows} x {columns} map pixels are more than the {MOST_WINDOWS} that one map job takes.")
    before = size // 2 - STEP_PX // 2
    padded = np.pad(values, ((0, 0), (before, size), (before, size)), mode="symmetric")
    views = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    return views[:, ::STEP_PX, ::STEP_PX][:, :rows, :columns].transpose(1, 2, 0, 3, 4)


def _check_alike(region: Region, mosaics: dict[str, Mosaic]) -> Mosaic:
    found = list(mosaics.values())
    first = found[0]
    for mosaic in found[1:]:
        if (mosaic.epsg, mosaic.transform, mosaic.valid.shape) != (first.epsg, first.transform, first.valid.shape):
            raise BadInputError(
                f"The scenes of {region.name!r} lie on different rasters. Bring them to one grid before mapping."
            )
    return first


def _predict(
    product: MapProduct, folder: Path, arrays: Path, offsets: dict[str, float], claim: Claim
) -> npt.NDArray[np.float32]:
    spec = folder / "predict.json"
    words = {
        "checkpoint": product.run.folder,
        "arrays": str(arrays),
        "offset": offsets,
        "output": str(folder / "probabilities.npy"),
        "threads": product.run.spec["threads"],
        "device": product.run.spec["device"],
    }
    spec.write_text(json.dumps(words, indent=1, sort_keys=True), encoding="utf-8")
    outcome = launch(folder, "predict", spec, watch=lambda events: claim.check())
    if outcome.code < 0:
        raise Retry(outcome.cause)
    if outcome.code != DONE:
        raise SpecError(outcome.cause)
    return np.load(folder / "probabilities.npy", allow_pickle=False)


def _write(
    product: MapProduct,
    folder: Path,
    pack: Pack,
    probabilities: npt.NDArray[np.float32],
    is_seen: npt.NDArray[np.bool_],
    mosaic: Mosaic,
) -> dict[str, Any]:
    scheme = schemes.find(pack.scheme())
    index = np.where(is_seen, probabilities.argmax(axis=-1), -1)
    a, _b, left, _d, e, top = mosaic.transform
    transform = (a * STEP_PX, 0.0, left, 0.0, e * STEP_PX, top)
    region = product.region
    written = maps.write_map(
        folder / f"{region.slug}_{scheme.name}.tif",
        index,
        probabilities.max(axis=-1),
        scheme,
        mosaic.epsg,
        transform,
        tags={"SIMULATED": "yes" if region.is_simulated else "no", "RUN": product.run.name},
    )
    places = _list_places(region, scheme, mosaic.epsg, transform, index.shape)
    shares = np.bincount(index[index >= 0], minlength=len(scheme)) / max((index >= 0).sum(), 1)
    return {
        "uri": str(written.path),
        "confidence_uri": str(written.confidence_path),
        "sha256": hashlib.sha256(written.path.read_bytes()).hexdigest(),
        "bounds": [region.west, region.south, region.east, region.north],
        "summary": {
            "scheme": scheme.name,
            "pixel_m": a * STEP_PX,
            "shares": dict(zip(scheme.codes, shares.round(6).tolist(), strict=True)),
            "agreement": _compare(places, scheme, probabilities),
            "reference_uri": _write_reference(places, scheme, folder, index.shape, mosaic.epsg, transform, region),
        },
    }


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a reference's patch lies on the map: its rows and columns."""

    reference: Reference
    rows: slice
    columns: slice


def _list_places(
    region: Region, scheme: schemes.Scheme, epsg: int, transform: tuple[float, ...], shape: tuple[int, int]
) -> list[Place]:
    """References of the region's patches of this zone that lie wholly on the map."""
    a, _b, left, _d, e, top = transform
    found = Reference.objects.filter(sample__region=region, scheme=scheme.name, sample__epsg=epsg)
    places = []
    for reference in found.select_related("sample").order_by("sample__key"):
        west, south, east, north = grid.parse_cell(reference.sample.cell).bounds
        rows = slice(round((north - top) / e), round((south - top) / e))
        columns = slice(round((west - left) / a), round((east - left) / a))
        if 0 <= rows.start < rows.stop <= shape[0] and 0 <= columns.start < columns.stop <= shape[1]:
            places.append(Place(reference=reference, rows=rows, columns=columns))
    return places


def _compare(
    places: list[Place], scheme: schemes.Scheme, probabilities: npt.NDArray[np.float32]
) -> dict[str, Any] | None:
    """Scores of the map at the references: mean probability of the map pixels inside each patch."""
    if not places:
        return None
    means = np.stack([probabilities[place.rows, place.columns].mean(axis=(0, 1)) for place in places])
    truth = np.array([scheme.index(place.reference.code) for place in places])
    blocks = [place.reference.sample.block for place in places]
    found = scores.evaluate(truth, means / means.sum(axis=1, keepdims=True), scheme=scheme, blocks=blocks)
    return {"source": places[0].reference.source, "n": found["n"], "oa": found["oa"], "kappa": found["kappa"]}


def _write_reference(
    places: list[Place],
    scheme: schemes.Scheme,
    folder: Path,
    shape: tuple[int, int],
    epsg: int,
    transform: tuple[float, ...],
    region: Region,
) -> str:
    """The references on the map's raster as a file beside it, so that the page can lay one over the other."""
    if not places:
        return ""
    index = np.full(shape, -1)
    for place in places:
        index[place.rows, place.columns] = scheme.index(place.reference.code)
    path = folder / f"{region.slug}_reference.tif"
    return str(maps.write_map(path, index, None, scheme, epsg, transform).path)
