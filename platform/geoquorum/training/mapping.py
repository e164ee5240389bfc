"""Maps: a run's network over a region, every 100 m, as a COG with a confidence band."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import transaction
from safetensors.numpy import save_file

from fusion import maps
from fusion import scheme as schemes
from fusion.errors import GeoquorumError, SpecError
from fusion.pack import Pack
from fusion.run import DONE
from geoquorum.accounts.models import User
from geoquorum.accounts.services import record
from geoquorum.catalog.models import Region
from geoquorum.queue.models import Job
from geoquorum.queue.services import Claim, LeaseLost, Retry, enqueue
from geoquorum.training.files import hash_file
from geoquorum.training.launcher import launch
from geoquorum.training.models import MapProduct, Run, RunState
from geoquorum.training.mosaics import STEP_PX, Mosaic, check_alike, cut_windows, read_dates
from geoquorum.training.references import compare, list_places, write_reference


def start_map(*, run: Run, region: Region, by: User | None) -> MapProduct:
    """Queues the map of a region by a finished run; one that waits, is drawn or stands already is answered."""
    if run.state != RunState.DONE:
        raise SpecError(f"Run {run} is {run.get_state_display()}: only a finished run can draw a map.")
    with transaction.atomic():
        product, _created = MapProduct.objects.select_for_update().get_or_create(run=run, region=region)
        if product.job is not None and product.state in (RunState.QUEUED, RunState.RUNNING, RunState.DONE):
            return product
        product.state, product.reason = RunState.QUEUED, ""
        product.checkpoint = run.checkpoints.filter(is_best=True).order_by("-pk").first()
        product.job = enqueue(
            "geoquorum.training.jobs.draw_map",
            project=run.project,
            arguments={"map": product.pk},
            queue="training",
            by=by,
        )
        product.save(update_fields=["state", "reason", "checkpoint", "job"])
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
    except (LeaseLost, Retry) as end:
        if isinstance(end, Retry):
            MapProduct.objects.filter(pk=product.pk).update(state=RunState.QUEUED, reason=str(end))
        raise
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
        name: read_dates(product.region, name, seasons.get(name, ""), pack.array(name))
        for name in run.spec["modalities"] or pack.array_names
    }
    pixel_size_m = run.version.consensus_run.rows.select_related("sample")[0].sample.pixel_size_m
    first = check_alike(product.region, mosaics, pixel_size_m)
    size = pack.array(next(iter(mosaics))).shape[-1]
    claim.progress(0.1, "windows")
    windows = {name: cut_windows(mosaic.values, size) for name, mosaic in mosaics.items()}
    rows, columns = next(iter(windows.values())).shape[:2]
    arrays = folder / "windows.safetensors"
    save_file({name: _lay_out(cut, pack.array(name).shape[1:]) for name, cut in windows.items()}, arrays)
    claim.progress(0.3, "predicting")
    probabilities = _predict(product, folder, arrays, {name: m.offset for name, m in mosaics.items()}, claim)
    arrays.unlink()
    valid = np.logical_and.reduce([mosaic.valid for mosaic in mosaics.values()])
    is_seen = valid[STEP_PX // 2 :: STEP_PX, STEP_PX // 2 :: STEP_PX][:rows, :columns]
    return _write(product, folder, pack, probabilities.reshape(rows, columns, -1), is_seen, first)


def _lay_out(windows: npt.NDArray[np.generic], shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
    """Windows [row, column, band, y, x] as the samples [n, *shape] of the pack, with its axis of time if it has one."""
    return np.ascontiguousarray(windows.reshape(-1, *shape))


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
    places = list_places(region, scheme, mosaic.epsg, transform, index.shape)
    shares = np.bincount(index[index >= 0], minlength=len(scheme)) / max((index >= 0).sum(), 1)
    return {
        "uri": str(written.path),
        "confidence_uri": str(written.confidence_path),
        "sha256": hash_file(written.path),
        "bounds": [region.west, region.south, region.east, region.north],
        "summary": {
            "scheme": scheme.name,
            "pixel_m": a * STEP_PX,
            "shares": dict(zip(scheme.codes, shares.round(6).tolist(), strict=True)),
            "agreement": compare(places, scheme, probabilities),
            "reference_uri": write_reference(places, scheme, folder, index.shape, mosaic.epsg, transform, region),
        },
    }
