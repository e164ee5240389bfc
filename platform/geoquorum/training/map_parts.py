"""A map as jobs: some tiles each, by whichever worker takes them, on whichever machine, in any order.

A tile's file is named by its place and lies in a folder named by all that the map is made from, so that a tile drawn
twice is the same, and what an earlier attempt drew is kept. Each part starts one process that loads torch once.
"""

import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction

from fusion.errors import BadInputError, GeoquorumError, SpecError
from fusion.mapping.spec import Tile
from fusion.mapping.tiles import is_finished
from fusion.run import CANCELLED, DONE
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.services import ALIVE, Claim, LeaseLost, Retry, cancel_parts, enqueue, run_claimed
from geoquorum.training.launcher import Event, launch
from geoquorum.training.models import MapProduct, RunState

KIND = "geoquorum.training.jobs.draw_part"
# Windows of one part: minutes on one core, against the seconds in which torch is loaded.
PART_WINDOWS = 100_000
MOST_WAITING = 64
ATTEMPTS = 4
LOOK_EVERY_S = 0.5


@dataclass(frozen=True, kw_only=True)
class MapPlan:
    """All that a map is made from: `words` are a MapSpec's without tiles; `parts` hold the tiles of each part job."""

    folder: Path
    words: dict[str, Any]
    parts: tuple[tuple[Tile, ...], ...]

    @property
    def tiles(self) -> list[Tile]:
        return [tile for part in self.parts for tile in part]

    @property
    def output(self) -> Path:
        return Path(self.words["output"])

    def count_done(self) -> int:
        """How many tiles have their file."""
        return sum(1 for _ in self.output.glob("tile-*.safetensors"))


def share_out(tiles: Sequence[Tile], windows: Callable[[Tile], int]) -> tuple[tuple[Tile, ...], ...]:
    """Tiles in their order, in parts of about PART_WINDOWS."""
    parts: list[list[Tile]] = [[]]
    held = 0
    for tile in tiles:
        if parts[-1] and held + windows(tile) > PART_WINDOWS:
            parts.append([])
            held = 0
        parts[-1].append(tile)
        held += windows(tile)
    return tuple(tuple(part) for part in parts)


def draw_in_parts(product: MapProduct, plan: MapPlan, claim: Claim, *, end: float) -> None:
    """Returns once every tile has its file; `end` is the share of the whole job that is done by then.

    The worker that asks also draws: one worker is enough. Where a part fails, the others stop.
    """
    plan.output.mkdir(parents=True, exist_ok=True)
    _write_json(plan.folder / "plan.json", {"words": plan.words, "parts": plan.parts, "map": product.pk})
    total = len(plan.tiles)

    def tell() -> None:
        done = plan.count_done()
        claim.progress(end * done / total, f"{done} of {total} tiles")

    unasked = [place for place, part in enumerate(plan.parts) if not _is_drawn(plan, part)]
    alive: dict[UUID, int] = {}
    try:
        while unasked or alive:
            tell()
            waiting = list(Job.objects.filter(pk__in=alive, state=JobState.QUEUED).values_list("pk", flat=True))
            room = max(0, MOST_WAITING - len(waiting))
            asked = {_ask(product, plan, place, claim.job).pk: place for place in unasked[:room]}
            del unasked[:room]
            alive |= asked
            _help([*waiting, *asked], tell)
            claim.check()  # parts that stopped because this job was asked to are no failure
            _collect(alive, plan)
    except LeaseLost:  # another attempt goes on with the same parts
        raise
    except GeoquorumError:
        with transaction.atomic():
            claim.lock()
            cancel_parts(claim.job)
        raise


def draw_part(job: Job, claim: Claim, *, also: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """The tiles of one part, in one process; those that have their file already are left as they are."""
    product = MapProduct.objects.select_related("run").get(pk=job.arguments["map"])
    if product.state != RunState.RUNNING:
        raise BadInputError(f"{product} is not being drawn any more: there is nothing to draw for it.")
    folder = Path(job.arguments["folder"])
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    tiles = plan["parts"][job.arguments["part"]]
    own = folder / f"part-{job.arguments['part']:04d}"
    own.mkdir(parents=True, exist_ok=True)
    spec = own / "map.json"
    _write_json(spec, {**plan["words"], "tiles": tiles})

    def watch(events: list[Event]) -> None:
        claim.check()
        also()
        if events and "share" in events[-1]:
            claim.progress(float(events[-1]["share"]), f"{events[-1]['step']} of {len(tiles)} tiles")

    outcome = launch(own, "map", spec, watch=watch, devices=claim.devices)
    if outcome.code < 0 or outcome.code == CANCELLED:
        raise Retry(outcome.cause)
    if outcome.code != DONE:
        raise SpecError(outcome.cause)
    return {"tiles": len(tiles)}


def _ask(product: MapProduct, plan: MapPlan, place: int, parent: Job) -> Job:
    """A job for the part; one that an earlier attempt asked for and that is still alive is joined."""
    return enqueue(
        KIND,
        project=product.run.project,
        arguments={"map": product.pk, "folder": str(plan.folder), "part": place},
        queue="training",
        by=parent.created_by,
        max_attempts=ATTEMPTS,
        time_limit_s=parent.time_limit_s,
        unique_key=f"map {product.pk} {plan.output.name} {place}",
        parent=parent,
        devices=1,
    )


def _help(waiting: Sequence[UUID], tell: Callable[[], None]) -> None:
    """Draw the last of those that wait, or rest while others draw."""
    if not waiting or not run_claimed(waiting[-1], lambda job, claim: draw_part(job, claim, also=tell)):
        time.sleep(LOOK_EVERY_S)  # others draw, or no device is free


def _collect(alive: dict[UUID, int], plan: MapPlan) -> None:
    """Take out the parts whose jobs are over; one that failed, or left tiles out, ends the map."""
    for job in Job.objects.filter(pk__in=alive).exclude(state__in=ALIVE):
        place = alive.pop(job.pk)
        if job.state != JobState.DONE:
            raise SpecError(job.reason)
        if not _is_drawn(plan, plan.parts[place]):
            raise BadInputError(
                f"{job.worker} drew a part of the map, but its tiles are not in {plan.output}. Let all workers share "
                "one folder of data (GEOQUORUM_DATA), then draw the map again."
            )


def _is_drawn(plan: MapPlan, part: Sequence[Tile]) -> bool:
    return all(is_finished(plan.output, tile) for tile in part)


def _write_json(path: Path, values: dict[str, Any]) -> None:
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    partial.write_text(json.dumps(values, sort_keys=True), encoding="utf-8")
    os.replace(partial, path)
