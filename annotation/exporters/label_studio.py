"""The votes behind a version as Label Studio's JSON: one task per sample, one annotation per vote."""

import itertools
import operator
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from annotation.exchange.label_studio import TaskVote, read_tasks, write_tasks
from annotation.exporter import Exporter
from fusion import scheme as schemes
from fusion.errors import BadInputError, UnknownKindError
from fusion.pack import Pack

FILE, SCHEME = "tasks.json", "scheme.txt"
SHOWN = ("city", "cell", "split", "label")


def write(pack: Pack, folder: Path, votes: pa.Table | None) -> None:
    """Tasks in the order of sample keys; a sample whose every vote was taken back has no annotation."""
    if votes is None:
        raise BadInputError(f"{FILE} needs the votes of the release; hand them in as a table.")
    with open(folder / FILE, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(write_tasks(_join(pack, votes)))
    (folder / SCHEME).write_text(f"{pack.scheme()}\n", encoding="utf-8", newline="\n")


def check(folder: Path) -> None:
    """It reads back as votes of the scheme."""
    try:
        scheme = schemes.find((folder / SCHEME).read_text(encoding="utf-8").strip())
        text = (folder / FILE).read_bytes()
    except (OSError, UnknownKindError, UnicodeDecodeError) as error:
        raise BadInputError(f"{folder} is not whole: {error}. Export again.") from error
    read_tasks(text, scheme.codes)


def _join(pack: Pack, votes: pa.Table) -> Iterator[tuple[str, Mapping[str, Any], Iterator[TaskVote]]]:
    """Each sample of the pack with its votes; both are sorted by the sample's key."""
    names = ["id", *(name for name in SHOWN if name in pack.samples.column_names)]
    samples = sorted(pack.samples.select(names).to_pylist(), key=operator.itemgetter("id"))
    groups = itertools.groupby(votes.to_pylist(), operator.itemgetter("sample"))
    key, group = next(groups, (None, iter(())))
    for sample in samples:
        data = {name: sample[name] for name in names[1:] if sample[name] is not None}
        if key == sample["id"]:
            yield sample["id"], data, (_vote(row) for row in group)
            key, group = next(groups, (None, iter(())))
        else:
            yield sample["id"], data, iter(())
    if key is not None:
        raise BadInputError(f"Sample {key!r} has votes and is not in the release; leave its votes out.")


def _vote(row: Mapping[str, Any]) -> TaskVote:
    return TaskVote(
        voter=row["voter"],
        code=row["answer"] or "",
        second_code=row["second"] or "",
        is_sure=row["sure"] is not False,
        skip_reason=row["skip_reason"] or "",
        seconds=row["seconds"],
    )


EXPORTER = Exporter(
    name="label_studio",
    title="Votes as Label Studio JSON",
    write=write,
    check=check,
    needs_votes=True,
    help="One task per sample, one annotation per vote. Revisions, views opened and times of showing are not in it.",
)
