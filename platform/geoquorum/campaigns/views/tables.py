"""CSV behind pictures."""

import csv
from collections.abc import Callable, Iterable, Iterator

from django.http import StreamingHttpResponse

from geoquorum.campaigns.models import ConsensusRun

FORMULA_STARTS = tuple("=+-@\t\r")


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def write_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """CSV lines; text that a spreadsheet would run as a formula is quoted with an apostrophe."""
    write: Callable[[list[object]], str] = csv.writer(_Echo()).writerow
    for row in rows:
        yield write([f"'{cell}" if isinstance(cell, str) and cell[:1] in FORMULA_STARTS else cell for cell in row])


def name_source(run: ConsensusRun, n: str) -> list[str]:
    """The lines above a table: which campaign, which run and how many; read with `comment="#"`."""
    campaign = " ".join(run.campaign.name.split())
    simulated = ["# simulated\r\n"] if run.campaign.is_simulated else []
    return [
        f"# campaign: {campaign} ({run.campaign.slug})\r\n",
        f"# run: {run.pk}, {run.method}, round {run.round.number}, {run.votes_count} votes up to {run.last_vote}\r\n",
        *simulated,
        f"# n: {n}\r\n",
    ]


def answer_csv(run: ConsensusRun, kind: str, rows: Iterable[Iterable[object]], *, n: str = "") -> StreamingHttpResponse:
    """A download; with `n` the lines of `name_source` stand above the table."""

    def lines() -> Iterator[str]:
        yield from name_source(run, n) if n else []
        yield from write_lines(rows)

    response = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{run.campaign.slug}-{run.method}-{kind}.csv"'
    return response
