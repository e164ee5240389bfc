"""Samples and votes in and out by the million: python -m tests.benchmarks.bulk [--samples 400000] [--votes 10]

A campaign of so many samples gets so many votes each, by files: samples and votes come in as Parquet, votes go out as
Parquet and as JSON lines. Wall seconds on an embedded PostgreSQL that writes durably; memory of this process; compared
with inserting the same rows through the ORM (`bulk_create`), on fewer rows.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

EXPERTS = 50
ORM_ROWS = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=400_000)
    parser.add_argument("--votes", type=int, default=10, help="votes per sample")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geoquorum-bulk-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        with prepare(Path(folder) / "home"):
            print(json.dumps(measure(Path(folder), options.samples, options.votes)))


@contextmanager
def prepare(home: Path) -> Iterator[None]:
    """Django on an embedded database of its own, migrated by its owner."""
    os.environ["GEOQUORUM_HOME"] = str(home)
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        os.environ.pop(name, None)
    from geoquorum import embedded
    from tests.benchmarks.voting_house import ROOT

    with embedded.database(home):
        os.spawnv(os.P_WAIT, sys.executable, [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"])
        os.environ["DJANGO_SETTINGS_MODULE"] = "geoquorum.settings"
        import django

        django.setup()
        yield


def measure(folder: Path, samples: int, votes: int) -> dict[str, Any]:
    from geoquorum.accounts.models import Project
    from geoquorum.campaigns import services
    from geoquorum.campaigns.services import exports
    from geoquorum.campaigns.services.vote_files import import_vote_file
    from geoquorum.catalog.models import Sample
    from geoquorum.catalog.tables import take_samples

    project = Project.objects.create(name="Bulk", slug="bulk", is_simulated=True)
    write_files(folder, samples, votes)
    say(f"{samples} samples, {samples * votes} votes")
    taken_s = clock(lambda: take_samples(project=project, path=folder / "samples.parquet", by=None, cell_m=320))
    orm_s = clock(lambda: insert_by_orm(project))
    say(f"samples {samples / taken_s:.0f}/s")
    asked = services.create_campaign(
        project=project,
        name="Bulk",
        question="lcz_patch",
        scheme="lcz17",
        samples=list(Sample.objects.filter(project=project, key__startswith="s").order_by("pk")),
        quota=votes,
        by=None,
    )
    campaign = services.open_campaign(campaign=asked, by=None)
    round = services.current_round(campaign=campaign)
    voted_s = clock(lambda: import_vote_file(round=round, path=folder / "votes.parquet", by=None, kind="simulated"))
    say(f"votes {samples * votes / voted_s:.0f}/s")
    services.close_campaign(campaign=campaign, by=None)
    before, seconds = memory_mb(), {}
    for form in ("parquet", "jsonl"):
        seconds[form] = clock(lambda form=form: write_all(exports.stream_votes(campaign=campaign, form=form), folder))
        say(f"{form} {seconds[form]:.1f} s, {(folder / 'out').stat().st_size >> 20} MiB")
    return {
        "benchmark": "bulk",
        "unit": "samples per second",
        "ours": round_to(samples / taken_s),
        "against": {"bulk_create": round_to(ORM_ROWS / orm_s)},
        "ratio": {"bulk_create": round_to(samples / taken_s / (ORM_ROWS / orm_s), 2)},
        "also": {
            "samples": samples,
            "votes": samples * votes,
            "votes_per_s": round_to(samples * votes / voted_s),
            "parquet_s": round_to(seconds["parquet"], 1),
            "jsonl_s": round_to(seconds["jsonl"], 1),
            "peak_mb_before_export": before,
            "peak_mb_after_export": memory_mb(),
        },
    }


def write_files(folder: Path, samples: int, votes: int) -> None:
    """Samples over central Europe, and each sample's votes by different experts of a pool of fifty, shuffled."""
    rng = np.random.default_rng(0)
    keys = np.char.add("s", np.arange(samples).astype(str))
    places = {"longitude": rng.uniform(-9, 30, samples), "latitude": rng.uniform(36, 60, samples)}
    parquet.write_table(pa.table({"sample": keys.tolist(), **places}), folder / "samples.parquet")
    who = (np.arange(votes) * (EXPERTS // votes) + rng.integers(EXPERTS, size=(samples, 1))) % EXPERTS
    codes = np.array(["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "A", "B", "C", "D", "E", "F", "G"])
    order = rng.permutation(samples * votes)
    decided = np.datetime64("2026-05-01", "us") + rng.integers(0, 10**13, samples * votes).astype("timedelta64[us]")
    table = {
        "sample": pa.array(np.repeat(keys, votes)[order].tolist()),
        "voter": pa.array(np.char.add("e", who.ravel()[order].astype(str)).tolist()),
        "code": pa.array(codes[rng.integers(17, size=samples * votes)].tolist()),
        "decided_at": pa.array(decided).cast(pa.timestamp("us", tz="UTC")),
    }
    parquet.write_table(pa.table(table), folder / "votes.parquet")


def insert_by_orm(project: Any) -> None:
    """What Django offers for many rows."""
    from geoquorum.catalog.models import Sample

    rows = (Sample(project=project, kind="patch", key=f"orm-{number}") for number in range(ORM_ROWS))
    Sample.objects.bulk_create(rows, batch_size=5_000)


def write_all(pieces: Iterator[bytes], folder: Path) -> None:
    with open(folder / "out", "wb") as file:
        for piece in pieces:
            file.write(piece)


def clock(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def memory_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def round_to(value: float, digits: int = 0) -> float:
    return round(value, digits)


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
