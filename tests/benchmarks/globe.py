"""A year of the globe on paper, and its scheduler under failures: python -m tests.benchmarks.globe [--chunks 10000]

First the scheduler. So many chunks go through the project's own queue on an embedded PostgreSQL: enqueue, outbox,
claim, lease, fence and reaper, all as they are, with the seconds of leases and of the outbox divided by 30 (a lease is
one second here). The broker is a list in memory that loses and doubles messages and hands them out in any order; the
workers are threads that cut nothing: some die (they do nothing more), before or after their part file is written, some
fall silent for longer than their lease and come back late, some are slow. Each chunk writes a part file, and under its
lease one row; at the end there must be one of each. The same without failures is measured beside it.

Then the paper. Rates of one core are measured on a small scene: decoding, cutting, cutting with reprojection, writing
parts with their sums, and mapping by Sen2LCZ. From these follow cores, hours, requests and bytes for 4 PB.
"""

import argparse
import hashlib
import json
import logging
import math
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.bulk import prepare
from tests.benchmarks.cutting import (
    BANDS,
    BLOCK,
    PIXELS,
    consume,
    decode,
    list_cells,
    list_inner_cells,
    make_file,
    plan_file,
)

Row = dict[str, Any]
SCALE = 30  # the clock of leases and housekeeping runs so much faster
WORKERS = 24
SHARES = {"dies": 0.03, "dies_after_part": 0.03, "comes_back_late": 0.03, "is_slow": 0.02}
LOST_MESSAGES, DOUBLED_MESSAGES = 0.01, 0.02
PLAIN_SHARE = 5  # without failures a fifth of the chunks is enough

ARCHIVE_BYTES = 4e15  # one year of Sentinel-1 and Sentinel-2
OFF_GRID = 0.5  # share that must be reprojected: radar in orbit geometry or another zone
CORES = 1_000
CORES_PER_LINK, LINK_BIT_S = 64, 25e9
GETS_PER_S, PREFIXES = 5_500, 100  # per prefix, as object stores state
LAND_M2, MAP_PIXEL_M, MAP_BYTES = 1.49e14, 100, 4
FAR_LINK_BIT_S = 10e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=2_048, help="pixels of the measured scene")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # a line for each worker that falls silent
    with tempfile.TemporaryDirectory(prefix="geoquorum-globe-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        os.chmod(folder, 0o755)
        with prepare(folder / "home"):
            plain = simulate(folder / "plain", max(1, options.chunks // PLAIN_SHARE), is_failing=False)
            failing = simulate(folder / "failing", options.chunks, is_failing=True)
        rates = measure_rates(folder, options.side)
    paper = calculate(rates, failing["chunks_per_s"])
    for line in describe(paper):
        say(line)
    print(
        json.dumps(
            {
                "benchmark": "globe",
                "unit": "chunks per second through the scheduler, workers failing",
                "ours": failing["chunks_per_s"],
                "against": {"without_failures": plain["chunks_per_s"]},
                "ratio": {"without_failures": round(failing["chunks_per_s"] / plain["chunks_per_s"], 3)},
                "also": {"scheduler": failing, "rates_of_one_core": rates, "paper": paper},
            }
        )
    )


# The scheduler.


class Broker:
    """Messages in memory; with failures some are lost, some come twice, and none in order."""

    def __init__(self, is_failing: bool) -> None:
        self._ids: list[str] = []
        self._lock = threading.Lock()
        self._chance = random.Random(1)
        self._is_failing = is_failing
        self.counts: Counter[str] = Counter()

    def send(self, kind: str, args: list[str], **_: object) -> None:
        with self._lock:
            self.counts["sent"] += 1
            draw = self._chance.random() if self._is_failing else 1.0
            if draw < LOST_MESSAGES:
                self.counts["lost"] += 1
                return
            if draw < LOST_MESSAGES + DOUBLED_MESSAGES:
                self.counts["doubled"] += 1
                self._ids.append(args[0])
            self._ids.append(args[0])

    def count(self, queue: str) -> int:
        return len(self._ids)

    def take(self) -> str | None:
        with self._lock:
            if not self._ids:
                return None
            place = self._chance.randrange(len(self._ids))
            self._ids[place], self._ids[-1] = self._ids[-1], self._ids[place]
            return self._ids.pop()


@dataclass(kw_only=True)
class Simulation:
    """What all threads share."""

    folder: Path
    broker: Broker
    chunks: int
    is_failing: bool
    run: str
    is_over: threading.Event = field(default_factory=threading.Event)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[BaseException] = field(default_factory=list)

    def draw(self, chunk: int, attempt: int) -> str:
        """What becomes of the worker in this attempt; the same in every run."""
        draw, bound = random.Random(f"{chunk} {attempt}").random(), 0.0
        for name, share in SHARES.items() if self.is_failing else ():
            bound += share
            if draw < bound:
                return name
        return "works"


def simulate(folder: Path, chunks: int, *, is_failing: bool) -> Row:
    """All chunks through the queue; SystemExit where one is lost or done twice."""
    from django.conf import settings

    import geoquorum.celery
    from geoquorum.queue import outbox

    folder.mkdir()
    settings.JOB_LEASE_S = 30 / SCALE
    for name in ("OWN_CHANCE", "LOST_AFTER", "DOUBTED_AFTER"):
        setattr(outbox, name, ORIGINAL.setdefault(name, getattr(outbox, name)) / SCALE)
    broker = Broker(is_failing)
    geoquorum.celery.app.send_task = broker.send
    outbox._count_messages = broker.count
    simulation = Simulation(folder=folder, broker=broker, chunks=chunks, is_failing=is_failing, run=folder.name)
    start = time.perf_counter()
    steps: list[Callable[[Simulation], None]] = [keep_house, *[work] * WORKERS]
    threads = [threading.Thread(target=guard, args=(step, simulation)) for step in steps]
    for thread in threads:
        thread.start()
    guard(ask_for_all, simulation)
    seconds = time.perf_counter() - start
    for thread in threads:
        thread.join()
    if simulation.faults:
        raise simulation.faults[0]
    return count_all(simulation, seconds)


ORIGINAL: Row = {}


def guard(step: Callable[[Simulation], None], simulation: Simulation) -> None:
    """Run a thread's part; an error ends them all."""
    from django.db import connection

    try:
        step(simulation)
    except BaseException as error:
        simulation.faults.append(error)
        simulation.is_over.set()
    finally:
        connection.close()


def ask_for_all(simulation: Simulation) -> None:
    """The parent: so many jobs wait at a time, as in geoquorum.releases.chunks, until every one is done."""
    from geoquorum.queue.models import Job, JobState
    from geoquorum.queue.services import enqueue
    from geoquorum.releases.chunks import ATTEMPTS, MOST_WAITING

    parent = Job.objects.create(kind=simulation.run, state=JobState.DONE)
    asked, told = 0, time.monotonic()
    while not simulation.is_over.is_set():
        waiting = parent.parts.filter(state=JobState.QUEUED).count()
        for _ in range(min(MOST_WAITING - waiting, simulation.chunks - asked)):
            enqueue(
                simulation.run,
                arguments={"chunk": asked},
                max_attempts=ATTEMPTS,
                unique_key=f"{simulation.run} {asked}",
                parent=parent,
            )
            asked += 1
        over = parent.parts.filter(state__in=[JobState.DONE, JobState.FAILED, JobState.CANCELLED]).count()
        if over == simulation.chunks:
            break
        if time.monotonic() - told > 10:
            told = time.monotonic()
            say(f"{simulation.run}: {over} of {simulation.chunks} chunks")
        time.sleep(0.05)
    time.sleep(3 * 30 / SCALE)  # whoever comes back late still may
    simulation.is_over.set()


def keep_house(simulation: Simulation) -> None:
    """The reaper, as `manage.py reap --every` runs it."""
    from geoquorum.queue.services import reap

    while not simulation.is_over.is_set():
        for name, count in reap().items():
            simulation.counts[name] += count
        time.sleep(0.2)


def work(simulation: Simulation) -> None:
    """A worker: one message after the other."""
    while not simulation.is_over.is_set():
        job_id = simulation.broker.take()
        if job_id is None:
            time.sleep(0.01)
        else:
            do(simulation, job_id)


def do(simulation: Simulation, job_id: str) -> None:
    """Claim, cut (that is: write a part), and say so under the lease."""
    from django.conf import settings

    from geoquorum.queue import claims

    job = claims.claim_job(job_id, threading.current_thread().name)
    if job is None:
        simulation.counts["messages_for_nothing"] += 1
        return
    chunk = int(job.arguments["chunk"])
    fate = simulation.draw(chunk, job.attempts)
    simulation.counts[fate] += 1
    if fate == "dies":
        return
    try:
        if fate == "is_slow":
            for _ in range(4):
                time.sleep(settings.JOB_LEASE_S / 3)
                claims.renew(job, progress=0.5)
        if fate == "comes_back_late":
            time.sleep(settings.JOB_LEASE_S * random.Random(chunk).uniform(1.05, 3))
        write_part(simulation.folder, chunk)
        if fate != "dies_after_part":
            take_effect(simulation, job, chunk)
    except claims.LeaseLost:
        simulation.counts["late_writes_refused"] += 1


def take_effect(simulation: Simulation, job: Any, chunk: int) -> None:
    """One row and the end of the job, both or neither; LeaseLost for who lost the job."""
    from django.db import transaction

    from geoquorum.accounts.services import record
    from geoquorum.queue import claims

    with transaction.atomic():
        claims.lock(job)
        record(project=None, actor=None, action=simulation.run, subject=str(chunk))
        claims.finish(job, {"chunk": chunk})


def write_part(folder: Path, chunk: int) -> None:
    """Whole or not there, named and filled by the chunk's number alone, as fusion.cutting.files does."""
    partial = folder / f".{chunk}.{threading.get_ident()}"
    partial.write_bytes(make_part(chunk))
    os.replace(partial, folder / str(chunk))


def make_part(chunk: int) -> bytes:
    return hashlib.sha256(str(chunk).encode()).digest() * 16


def count_all(simulation: Simulation, seconds: float) -> Row:
    """Counts of jobs, rows and files; nothing may be missing and nothing twice."""
    from geoquorum.accounts.models import Event
    from geoquorum.queue.models import Job, JobState

    jobs = Job.objects.filter(kind=simulation.run, parent__isnull=False)
    attempts = Counter(jobs.values_list("attempts", flat=True))
    effects = Counter(Event.objects.filter(action=simulation.run).values_list("subject", flat=True))
    whole = sum(
        (simulation.folder / str(chunk)).exists() and (simulation.folder / str(chunk)).read_bytes() == make_part(chunk)
        for chunk in range(simulation.chunks)
    )
    row: Row = {
        "chunks": simulation.chunks,
        "workers": WORKERS,
        "done": jobs.filter(state=JobState.DONE).count(),
        "lost": simulation.chunks - len(effects),
        "doubled": effects.total() - len(effects),
        "parts_whole": whole,
        "attempts": dict(sorted(attempts.items())),
        "wall_s": round(seconds - 3 * 30 / SCALE, 1),
        "chunks_per_s": round(simulation.chunks / (seconds - 3 * 30 / SCALE), 1),
        "counts": dict(sorted((simulation.counts + simulation.broker.counts).items())),
    }
    say(json.dumps(row))
    if row["lost"] or row["doubled"] or not row["done"] == whole == simulation.chunks == jobs.count():
        raise SystemExit(f"chunks were lost or doubled: {row}")
    return row


# Rates of one core, and the paper.


def measure_rates(folder: Path, side: int) -> Row:
    """CPU seconds of one thread on a scene of `side` pixels, the best of three."""
    from fusion.cutting.cutter import cut
    from fusion.cutting.files import write_chunk
    from fusion.cutting.planning import plan
    from fusion.cutting.scene import Scene
    from fusion.source import RasterFile

    os.environ.setdefault("GDAL_NUM_THREADS", "1")
    path = make_file(folder / "scene.tif", side)
    far = make_file(folder / "far.tif", side, epsg=32633, west=250_000)
    cells, inner = list_cells(path), list(list_inner_cells(side))
    scene = Scene(name="far", files=(RasterFile(path=far, bands=BANDS, nodata=0.0),), bands=BANDS)
    places = iter(range(100))

    def write_parts() -> None:
        for chunk in plan_file(path, cells):
            write_chunk(chunk, folder / f"parts{next(places)}")

    def reproject() -> None:
        for chunk in plan([(scene, inner)]):
            for _ in cut(chunk):
                pass

    decoded, packed = side * side * len(BANDS) * 2, path.stat().st_size
    decode_s = take_best(lambda: decode(path, 2 * BLOCK * BLOCK * len(BANDS) * 2))
    cut_s = take_best(lambda: consume(path, cells))
    part_s = take_best(write_parts)
    far_s = take_best(reproject)
    patch_bytes = PIXELS**2 * len(BANDS) * 2
    mapped = measure_mapping()
    return {
        "decode_mb_s": round(decoded / decode_s / 1e6),
        "decode_packed_mb_s": round(packed / decode_s / 1e6),
        "cut_patches_s": round(len(cells) / cut_s),
        "cut_to_parts_patches_s": round(len(cells) / part_s),
        "cut_to_parts_mb_s": round(len(cells) * patch_bytes / part_s / 1e6),
        "cut_reprojected_patches_s": round(len(inner) / far_s),
        "write_and_sum_us_per_patch": round((part_s - cut_s) / len(cells) * 1e6, 1),
        "map_patches_s": round(mapped),
        "compression": round(decoded / packed, 2),
        "packed_block_bytes": round(packed / math.ceil(side / BLOCK) ** 2),
    }


def take_best(work: Callable[[], Any]) -> float:
    """CPU seconds of this process."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def measure_mapping(batch: int = 256) -> float:
    """Patches per second of Sen2LCZ with its usual options, forward only, one thread of the CPU."""
    import torch

    from fusion.engine.network import NetworkShape, build_network

    torch.set_num_threads(1)
    shape = NetworkShape(channels=len(BANDS), height=PIXELS, width=PIXELS, outputs=17)
    network = build_network({"name": "sen2lcz"}, shape).eval().to(memory_format=torch.channels_last)
    image = torch.randn(batch, len(BANDS), PIXELS, PIXELS).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        network(image)
        return batch / take_best(lambda: network(image))


def calculate(rates: Row, chunks_per_s: float) -> Row:
    """What 4 PB take, from the rates of one core: hours of CORES cores, of one database and of the network."""
    from geoquorum.releases.cuts import CHUNK_BYTES

    decoded = ARCHIVE_BYTES * rates["compression"]
    patches = decoded / (PIXELS**2 * len(BANDS) * 2)
    chunks, requests = decoded / CHUNK_BYTES, ARCHIVE_BYTES / rates["packed_block_bytes"]
    writing_s = rates["write_and_sum_us_per_patch"] * 1e-6
    aligned_s, far_s = 1 / rates["cut_patches_s"], 1 / rates["cut_reprojected_patches_s"]
    cut_h = patches * (OFF_GRID * far_s + (1 - OFF_GRID) * aligned_s + writing_s) / 3600
    map_h = patches / rates["map_patches_s"] / 3600
    link = CORES / CORES_PER_LINK * LINK_BIT_S
    hours = {
        "cutting": cut_h / CORES,
        "mapping_on_cpu": map_h / CORES,
        "scheduling": chunks / chunks_per_s / 3600,
        "requests": requests / (GETS_PER_S * PREFIXES) / 3600,
        "network": ARCHIVE_BYTES * 8 / link / 3600,
    }
    return {
        "assumptions": list_assumptions(rates),
        "patches": float(f"{patches:.3g}"),
        "chunks": float(f"{chunks:.3g}"),
        "requests": float(f"{requests:.3g}"),
        "core_hours": {"cutting": round(cut_h), "mapping_on_cpu": round(map_h)},
        "cores_for_a_month": {
            "cutting": math.ceil(cut_h / 720),
            "cutting_and_mapping": math.ceil((cut_h + map_h) / 720),
        },
        f"hours_of_{CORES}_cores": {name: float(f"{hour:.3g}") for name, hour in hours.items()},
        "bottleneck": max(hours, key=lambda name: hours[name]),
        "bottleneck_of_cutting": max((one for one in hours if one != "mapping_on_cpu"), key=lambda name: hours[name]),
        "egress_bytes": {
            "workers_beside_the_data": LAND_M2 / MAP_PIXEL_M**2 * MAP_BYTES,
            "scenes_pulled_elsewhere": ARCHIVE_BYTES,
            "patches_sent_elsewhere": decoded,
        },
        "days_if_pulled_over_10_gbit_s": round(ARCHIVE_BYTES * 8 / FAR_LINK_BIT_S / 86_400, 1),
    }


def list_assumptions(rates: Row) -> list[str]:
    """All that was not measured in this run."""
    return [
        f"4 PB are bytes as archived, packed like the measured scene (zstd, {rates['compression']} to 1, blocks of "
        f"{BLOCK} with {len(BANDS)} uint16 bands); JPEG 2000 unpacks several times slower and was not measured",
        f"every pixel is cut once into patches of {PIXELS} x {PIXELS}; {OFF_GRID:.0%} of them are reprojected",
        f"the rate of one core holds on each of {CORES} cores: chunks share nothing but the queue",
        "decoding is counted within cutting; parts go to local disks that keep up",
        "one request for each compressed block, none merged, none repeated but those of failed attempts, not counted",
        f"{GETS_PER_S} requests per second and prefix over {PREFIXES} prefixes, as object stores state them",
        f"{LINK_BIT_S / 1e9:.0f} Gbit/s for {CORES_PER_LINK} cores, all of it usable",
        "one PostgreSQL schedules, as fast as the embedded one here beside its own workers, failures included",
        "mapping is Sen2LCZ on CPU cores, once per patch and date; no GPU was measured in this run",
        f"what leaves is a map of the land at {MAP_PIXEL_M} m with {MAP_BYTES} bytes a pixel, not compressed",
    ]


def describe(paper: Row) -> list[str]:
    """The paper in lines."""
    hours = paper[f"hours_of_{CORES}_cores"]
    return [
        "assumed: " + "; ".join(paper["assumptions"]) + ".",
        f"4 PB are {paper['patches']:.3g} patches in {paper['chunks']:.3g} chunks, read by {paper['requests']:.3g} "
        "requests.",
        f"core hours: {paper['core_hours']}; cores for a month: {paper['cores_for_a_month']}",
        f"hours with {CORES} cores: {hours}; the bottleneck is {paper['bottleneck']}, of cutting alone "
        f"{paper['bottleneck_of_cutting']}",
        f"egress in bytes: {paper['egress_bytes']}",
    ]


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
