"""Votes of any crowd as a table of three columns, and labels as another: no scheme and no database are needed."""

import csv
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from annotation.consensus import ConsensusResult
from annotation.exchange.table_files import TableFile, read_table
from annotation.votes import IntArray, VoteTable
from fusion.errors import BadInputError, BadVotesError
from fusion.lines import MOST_TOLD, Faults

COLUMNS = {"sample": pa.string(), "voter": pa.string(), "label": pa.string()}


def read_votes(path: Path) -> tuple[VoteTable, tuple[str, ...]]:
    """Votes from a CSV or Parquet file with columns sample, voter and label, and its labels in alphabetical order.

    BadVotesError names every bad line: empty cells, and a second vote of one voter on one sample.
    """
    file = read_table(path, COLUMNS, tuple(COLUMNS))
    faults = Faults(name=file.name, error=BadVotesError)
    for name in COLUMNS:
        for row in np.flatnonzero(file.table[name].is_null().to_numpy())[: 10**6].tolist():
            faults.add(file.place(row), f"has no {name}")
    faults.raise_if_any()
    (sample, sample_ids), (voter, voter_ids), (answer, codes) = (_encode(file, name) for name in COLUMNS)
    _check_single(file, sample, voter, faults)
    table = VoteTable(
        sample=sample, voter=voter, answer=answer, n_classes=len(codes), sample_ids=sample_ids, voter_ids=voter_ids
    )
    return table, codes


def write_labels(path: Path, result: ConsensusResult, codes: tuple[str, ...]) -> None:
    """Columns sample, label, probability; the file is there whole or not at all. Ids are written as they came."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    labels = np.array(codes, object)[result.label]
    try:
        with open(part, "w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(["sample", "label", "probability"])
            lines.writerows(
                (sample, label, f"{probability:.6f}")
                for sample, label, probability in zip(
                    result.sample_ids, labels, result.top_probability.tolist(), strict=True
                )
            )
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise BadInputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)


def _encode(file: TableFile, name: str) -> tuple[IntArray, tuple[str, ...]]:
    """Places of a column's texts in their sorted list, and that list."""
    coded = file.table[name].combine_chunks().dictionary_encode()
    names = np.array(coded.dictionary.to_pylist(), object)
    order = np.argsort(names, kind="stable")
    place = np.empty(len(names), np.int32)
    place[order] = np.arange(len(names), dtype=np.int32)
    return place[coded.indices.to_numpy()], tuple(names[order])


def _check_single(file: TableFile, sample: IntArray, voter: IntArray, faults: Faults) -> None:
    """One vote per voter and sample; the later line is named with the earlier one."""
    key = sample.astype(np.int64) * (int(voter.max()) + 1) + voter
    order = np.argsort(key, kind="stable")
    again = np.flatnonzero(key[order][1:] == key[order][:-1])
    for row, before in sorted(zip(order[again + 1].tolist(), order[again].tolist(), strict=True)):
        told = file.table.slice(row, 1).to_pylist()[0] if faults.count < MOST_TOLD else {"voter": "", "sample": ""}
        words = f"is a second vote of {told['voter'][:60]!r} on {told['sample'][:60]!r}, after {file.place(before)}"
        faults.add(file.place(row), words)
    faults.raise_if_any()
