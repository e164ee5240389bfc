"""Maps: a run's network over a whole region, drawn in tiles by part jobs, as GeoTIFFs with the network's doubts."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.db import transaction

from fusion import maps
from fusion import scheme as schemes
from fusion.errors import GeoquorumError, SpecError
from fusion.mapping.layout import MapLayout
from fusion.mapping.spec import Tile, write_scenes
from fusion.mapping.tiles import read_tile
from fusion.pack import Pack
from geoquorum.accounts.models import User
from geoquorum.accounts.services import record
from geoquorum.catalog.models import Region
from geoquorum.queue.models import Job
from geoquorum.queue.services import Cancelled, Claim, LeaseLost, Paused, Retry, enqueue, request_cancel
from geoquorum.training import map_areas
from geoquorum.training.files import hash_file
from geoquorum.training.map_parts import MapPlan, draw_in_parts, share_out
from geoquorum.training.models import MapProduct, Run, RunState
from geoquorum.training.mosaics import Raster, check_alike, describe_mosaic, find_hosts
from geoquorum.training.network_words import NetworkWords, read_network_words
from geoquorum.training.references import compare, list_places, write_reference
from geoquorum.training.services import settle

MAP_LIMIT_S = 12 * 3600
# Scene pixels of a tile: 640 x 640 of eighteen bands are 50 MB as stored and as many again prepared, and three tiles
# are held at a time.
TILE_PX = 640 * 640
LEAST_STRIDES = 12  # windows along a blended tile, at least: neighbours look at one more row and column
DRAWN = 0.95  # of the progress: the rest is writing
OPTIONS = ("probabilities", "dropout_draws", "checkpoints")
MOST_DRAWS = 100
ALIVE = (RunState.QUEUED, RunState.RUNNING, RunState.PAUSED)
ENDS = ((Retry, RunState.QUEUED), (Cancelled, RunState.CANCELLED), (Paused, RunState.PAUSED))


def start_map(*, run: Run, region: Region, by: User | None, options: Mapping[str, Any] | None = None) -> MapProduct:
    """Queues the map of a region by a finished run; one that waits, is drawn or stands already is answered.

    `options`: `probabilities` keeps those of each class in a further file; `dropout_draws` and `checkpoints` (runs of
    the same task, by number) are asked for how much answers differ. Other options than before draw the map anew.
    """
    if run.state != RunState.DONE:
        raise SpecError(f"Run {run} is {run.get_state_display()}: only a finished run can draw a map.")
    wanted = check_options(run, options or {})
    with transaction.atomic():
        product, _created = MapProduct.objects.select_for_update().get_or_create(run=run, region=region)
        if product.job is not None and (
            product.state in ALIVE or (product.state == RunState.DONE and product.options == wanted)
        ):
            return product
        product.state, product.reason, product.options = RunState.QUEUED, "", wanted
        product.checkpoint = run.checkpoints.filter(is_best=True).order_by("-pk").first()
        product.job = enqueue(
            "geoquorum.training.jobs.draw_map",
            project=run.project,
            arguments={"map": product.pk},
            queue="training",
            by=by,
            time_limit_s=MAP_LIMIT_S,
        )
        product.save(update_fields=["state", "reason", "options", "checkpoint", "job"])
        record(project=run.project, actor=by, action="map started", subject=f"map {product.pk}")
    return product


def cancel_map(*, product: MapProduct, by: User | None) -> None:
    """Asks the map and its parts to stop; a waiting one stops at once. Tiles that are drawn stay."""
    if product.job is None or product.state not in ALIVE:
        return
    request_cancel(product.job)
    settle()
    record(project=product.run.project, actor=by, action="map cancelled", subject=f"map {product.pk}")


def check_options(run: Run, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a map that say something; SpecError names the one that is wrong."""
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise SpecError(f"{unknown[0]!r} is no option of a map. Known: {', '.join(OPTIONS)}.")
    draws, others = options.get("dropout_draws") or 0, options.get("checkpoints") or []
    if type(draws) is not int or not 0 <= draws <= MOST_DRAWS:
        raise SpecError(f"dropout_draws must lie from 0 to {MOST_DRAWS}; it is {draws!r}.")
    if not isinstance(others, list) or not all(type(one) is int for one in others):
        raise SpecError(f"checkpoints must be numbers of runs; it is {others!r}.")
    known = set(run.project.runs.filter(pk__in=others, task=run.task, state=RunState.DONE).values_list("pk", flat=True))
    if missing := [one for one in others if one not in known or one == run.pk]:
        raise SpecError(f"checkpoints: run {missing[0]} is no other finished run of task {run.task!r} in this project.")
    found = {"probabilities": bool(options.get("probabilities")), "dropout_draws": draws, "checkpoints": others}
    return {name: value for name, value in found.items() if value}


def execute_map(job: Job, claim: Claim) -> dict[str, Any]:
    """Draws every tile by part jobs, writes the map from them, and compares it with what is known of the region."""
    product = MapProduct.objects.select_related("run__version", "region").get(pk=job.arguments["map"])
    MapProduct.objects.filter(pk=product.pk).update(state=RunState.RUNNING)
    product.state = RunState.RUNNING
    try:
        facts = _draw(product, claim)
    except LeaseLost:  # whoever has the job now writes what becomes of it
        raise
    except GeoquorumError as end:
        state = next((state for kind, state in ENDS if isinstance(end, kind)), RunState.FAILED)
        MapProduct.objects.filter(pk=product.pk).update(state=state, reason=str(end))
        raise
    with transaction.atomic():
        claim.lock()
        MapProduct.objects.filter(pk=product.pk).update(state=RunState.DONE, reason="", **facts)
    return {"map": product.pk}


def _draw(product: MapProduct, claim: Claim) -> dict[str, Any]:
    words = read_network_words(product.run)
    plan, layout, raster = plan_map(product, words)
    draw_in_parts(product, plan, claim, end=DRAWN)
    claim.progress(DRAWN, "writing")
    drawn = _find_drawn(product, plan, layout, raster)
    facts = _write_classes(product, words, plan, drawn) if words.is_of_classes else _write_field(product, words, drawn)
    shutil.rmtree(plan.folder, ignore_errors=True)
    return facts


def plan_map(product: MapProduct, words: NetworkWords) -> tuple[MapPlan, MapLayout, Raster]:
    """What the map is made from and how it is cut; refused where the scenes do not fit the network."""
    run, region = product.run, product.region
    pack = Pack.open(Path(run.version.uri), sha256=run.version.sha256)
    seasons = {entry["modality"]: entry.get("season", "") for entry in run.version.modalities}
    mosaics = {
        one.name: describe_mosaic(
            region, one.modality, seasons.get(one.modality, ""), one.bands, pack.array(one.name).times
        )
        for one in words.inputs
    }
    raster = check_alike(region, mosaics, find_pixel_size(run))
    layout = MapLayout(height=raster.height, width=raster.width, size=words.size, output=words.output)
    spec = {
        "checkpoint": run.folder,
        "checkpoints": [
            other.folder for other in run.project.runs.filter(pk__in=product.options.get("checkpoints", []))
        ],
        "dropout_draws": product.options.get("dropout_draws"),
        "keep_probabilities": bool(product.options.get("probabilities")),
        "scenes": write_scenes({name: mosaic.words for name, mosaic in mosaics.items()}),
        "height": raster.height,
        "width": raster.width,
        "hosts": find_hosts(mosaics),
        "device": run.spec["device"],
        "threads": run.spec["threads"],
        **words.find_domain(run.report),
    }
    made_from = [spec, (run.report or {}).get("weights_sha256"), [mosaic.sha256 for mosaic in mosaics.values()]]
    mark = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]
    folder = Path(run.folder) / "maps" / f"{region.slug}.parts"
    for old in folder.glob("*.tiles"):
        if old.name != f"{mark}.tiles":
            shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    spec["output"] = str(folder / f"{mark}.tiles")
    least = (LEAST_STRIDES * layout.stride) ** 2 if layout.output == "map" else 0
    tiles = layout.list_tiles(max(TILE_PX, least))
    parts = share_out(tiles, lambda tile: len(layout.find_windows(tile)))
    return MapPlan(folder=folder, words=spec, parts=parts), layout, raster


def find_pixel_size(run: Run) -> float | None:
    """Metres of a pixel that the run has learned from, where its samples say so."""
    frozen = run.version.consensus_run
    row = None if frozen is None else frozen.rows.select_related("sample").first()
    return None if row is None else row.sample.pixel_size_m


def _find_drawn(product: MapProduct, plan: MapPlan, layout: MapLayout, raster: Raster) -> maps.Drawn:
    a, _b, left, _d, e, top = raster.transform
    is_simulated = product.region.is_simulated or product.run.version.is_simulated

    @lru_cache(maxsize=2)
    def read(tile: Tile) -> dict[str, Any]:
        return read_tile(plan.output, tile)

    return maps.Drawn(
        tiles=plan.tiles,
        read=read,
        shape=layout.shape,
        epsg=raster.epsg,
        transform=(a * layout.step, 0.0, left, 0.0, e * layout.step, top),
        tags={"SIMULATED": "yes" if is_simulated else "no", "RUN": product.run.name},
    )


def _write_classes(product: MapProduct, words: NetworkWords, plan: MapPlan, drawn: maps.Drawn) -> dict[str, Any]:
    scheme, region = schemes.find(words.scheme), product.region
    path = _find_folder(product) / f"{region.slug}_{scheme.name}.tif"
    keeps = bool(product.options.get("probabilities"))
    written = maps.write_class_map(path, drawn, scheme, keep_probabilities=keeps)
    places = list_places(region, scheme, drawn.epsg, tuple(drawn.transform), drawn.shape)
    reference = write_reference(places, scheme, path.parent, drawn.shape, drawn.epsg, tuple(drawn.transform), region)
    summary = {
        "output": "classes",
        "scheme": scheme.name,
        "agreement": compare(places, scheme, drawn),
        "reference_uri": reference,
        **map_areas.describe(product.run, drawn, scheme),
    }
    return _describe(product, drawn, written, summary)


def _write_field(product: MapProduct, words: NetworkWords, drawn: maps.Drawn) -> dict[str, Any]:
    names = words.value_names
    path = _find_folder(product) / f"{product.region.slug}_{words.target_name}.tif"
    written = maps.write_field_map(path, drawn, names)
    summary = {
        "output": "field",
        "names": names,
        "unit": words.unit,
        "agreement": None,
        "reference_uri": "",
        **map_areas.describe_values(drawn),
    }
    return _describe(product, drawn, written, summary)


def _describe(
    product: MapProduct, drawn: maps.Drawn, written: maps.LayerFiles, summary: dict[str, Any]
) -> dict[str, Any]:
    region = product.region
    return {
        "uri": str(written.path),
        "confidence_uri": str(written.layers_path),
        "sha256": hash_file(written.path),
        "bounds": [region.west, region.south, region.east, region.north],
        "summary": {
            **summary,
            "pixel_m": drawn.transform[0],
            "bands": list(written.bands),
            "probabilities_uri": str(written.probabilities_path or ""),
        },
    }


def _find_folder(product: MapProduct) -> Path:
    folder = Path(product.run.folder) / "maps" / product.region.slug
    folder.mkdir(parents=True, exist_ok=True)
    return folder
