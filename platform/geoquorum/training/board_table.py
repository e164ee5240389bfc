"""The rows behind a board, and the sample of a submission, for CSV files."""

from collections.abc import Iterator
from typing import Any

from geoquorum.training.held_out import HeldOut
from geoquorum.training.models import Benchmark
from geoquorum.training.ranking import Board, Row

HEAD = [
    "rank", "system", "kind", "seed", "metric", "value", "low", "high", "n", "seeds", "mean", "mean_low", "mean_high",
    "spread", "difference", "difference_low", "difference_high", "board", "protocol", "version", "date", "run",
    "source",
]  # fmt: skip


def list_board(benchmark: Benchmark, board: Board) -> Iterator[list[Any]]:
    """A row for each seed, systems in the order of the board; published figures last, marked as such."""
    yield HEAD
    for row in board.rows:
        for seed in row.seeds:
            own = [seed.seed, benchmark.metric, seed.value, seed.low, seed.high]
            yield [row.rank or "", guard(row.submission.name), row.submission.kind, *own, *_say_system(row),
                   board.shown, benchmark.protocol, str(benchmark.version), seed.score.created_at.isoformat(),
                   row.run.pk if row.run else "", ""]  # fmt: skip
    for one in board.published:
        own = ["", guard(one.name), one.kind, "", benchmark.metric, one.published_value, *[""] * 11]
        place = [board.shown, benchmark.protocol, str(benchmark.version)]
        yield [*own, *place, one.created_at.isoformat(), "", guard(one.source)]


def list_sample_rows(held: HeldOut) -> Iterator[list[Any]]:
    """A header of the classes' codes and a row for each sample in test order; shares sum to 1."""
    count = len(held.codes)
    share = round(1 / count, 6)
    shares = [*[share] * (count - 1), round(1 - share * (count - 1), 6)]
    yield ["id", *held.codes]
    for sample in held.ids:
        yield [sample, *shares]


def guard(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text


def _say_system(row: Row) -> list[Any]:
    difference = row.difference or {}
    return [
        row.n,
        len(row.seeds),
        row.value,
        row.low,
        row.high,
        "" if row.spread is None else row.spread,
        *(difference.get(key, "") for key in ("value", "low", "high")),
    ]
