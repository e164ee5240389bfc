"""What an ensemble answers for the samples of a split, in batches that lie in one city each, ready to be scored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fusion.engine.dataset import Gathers
from fusion.engine.head import Decoded, Evidence, find_output
from fusion.engine.symmetries import Array, Rows
from fusion.engine.targets import TargetReader
from fusion.engine.uncertainty import Doubts, Ensemble
from fusion.pack import Pack


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One entry per batch: its rows, what scores need of it, and what the ensemble doubts.

    `outputs` are the members' (logits) and `decoded` their common answer, kept for one vector per sample only: maps are
    too large, and their evidence is what is left of them. `strangeness` is empty where nothing measures it.
    """

    batches: tuple[Rows, ...]
    outputs: tuple[Sequence[Array], ...]
    decoded: tuple[Decoded, ...]
    evidence: tuple[Evidence, ...]
    doubts: tuple[Doubts, ...]
    strangeness: tuple[Array, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.batches))

    @property
    def rows(self) -> Rows:
        return np.concatenate([np.zeros(0, np.int64), *self.batches])

    @property
    def logits(self) -> Array:
        """Members' outputs [members, n, k]; of heads with one vector per sample."""
        return np.concatenate([np.stack(list(members)) for members in self.outputs], axis=1)

    def join(self, name: str) -> Array:
        """A part of the common answer [n, ...]."""
        return np.concatenate([part[name] for part in self.decoded])

    def join_strangeness(self) -> Array:
        """How strange the samples are to the ensemble [n]; of length 0 where nothing measures it."""
        return np.concatenate([np.zeros(0), *self.strangeness])

    def join_doubts(self) -> Doubts:
        """What the ensemble doubts, by name [n]."""
        names = self.doubts[0] if self.doubts else {}
        return {name: np.concatenate([part[name] for part in self.doubts]) for name in names}


def answer(
    ensemble: Ensemble,
    arrays: Mapping[str, Gathers],
    batches: Sequence[Rows],
    reader: TargetReader,
    check_stop: Callable[[], None],
) -> Answers:
    """The ensemble's answers for these batches."""
    is_vector = find_output(ensemble.head, ensemble.target) == "vector"
    empty = Answers(batches=(), outputs=(), decoded=(), evidence=(), doubts=())
    parts = [empty]
    for rows in batches:
        found, strange = ensemble.ask_and_gauge(arrays, rows)
        part = _decode(ensemble, rows, [output.numpy() for output in found], reader)
        part = replace(part, strangeness=() if strange is None else (strange,))
        parts.append(part if is_vector else replace(part, outputs=(), decoded=()))
        check_stop()
    return _join(parts)


def decode_again(answers: Answers, ensemble: Ensemble, reader: TargetReader) -> Answers:
    """The same outputs under the ensemble's present temperature; of maps nothing changes."""
    if not answers.outputs:
        return answers
    pairs = zip(answers.batches, answers.outputs, strict=True)
    again = _join([_decode(ensemble, rows, outputs, reader) for rows, outputs in pairs])
    return replace(again, strangeness=answers.strangeness)


def replace_answer(answers: Answers, ensemble: Ensemble, values: Array, reader: TargetReader) -> tuple[Evidence, ...]:
    """Evidence of another's answers [n, ...] (a baseline's) for the same rows, in the same batches."""
    edges = np.cumsum([len(rows) for rows in answers.batches])[:-1]
    name, head = ensemble.head.stored, ensemble.head
    return tuple(
        head.collect(reader.read_truth(rows), {name: part})
        for rows, part in zip(answers.batches, np.split(values, edges), strict=True)
    )


def cut_batches(pack: Pack, rows: Rows, batch_size: int) -> list[Rows]:
    """Rows by city, then as they are, in batches none of which reaches over two cities."""
    cities = np.array([name or "" for name in take(pack, "city", rows)], dtype=object)
    found = []
    for city in sorted(set(cities.tolist())):
        own = rows[cities == city]
        found += [own[first : first + batch_size] for first in range(0, len(own), batch_size)]
    return found


def take(pack: Pack, column: str, rows: Rows) -> list[Any]:
    """Values of a column of the table of samples, None where there is none."""
    values: list[Any] = pack.samples.column(column).take(rows).to_pylist()
    return values


def take_blocks(pack: Pack, rows: Rows) -> list[str]:
    """The block of each sample; a sample without one stands for itself."""
    pairs = zip(take(pack, "block", rows), take(pack, "id", rows), strict=True)
    return [block or f"sample {own}" for block, own in pairs]


def _decode(ensemble: Ensemble, rows: Rows, outputs: Sequence[Array], reader: TargetReader) -> Answers:
    decoded, doubts = ensemble.decode(outputs)
    evidence = ensemble.head.collect(reader.read_truth(rows), decoded)
    return Answers(batches=(rows,), outputs=(outputs,), decoded=(decoded,), evidence=(evidence,), doubts=(doubts,))


def _join(parts: Sequence[Answers]) -> Answers:
    return Answers(
        batches=tuple(one for part in parts for one in part.batches),
        outputs=tuple(one for part in parts for one in part.outputs),
        decoded=tuple(one for part in parts for one in part.decoded),
        evidence=tuple(one for part in parts for one in part.evidence),
        doubts=tuple(one for part in parts for one in part.doubts),
        strangeness=tuple(one for part in parts for one in part.strangeness),
    )
