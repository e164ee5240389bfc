"""manage.py consensus: labels from any crowd's votes, from file to file; no database is asked or started."""

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from annotation import consensus
from annotation.exchange.crowd import read_votes, write_labels
from fusion.errors import GeoquorumError


class Command(BaseCommand):
    """Status 0 when the labels are written, 1 when the votes are refused (nothing is written), 2 for wrong options."""

    help = "Labels with their probabilities from a table of votes."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--votes", type=Path, required=True, help="CSV or Parquet with columns sample, voter and label"
        )
        parser.add_argument(
            "--method",
            choices=sorted(consensus.load_all("class")),
            default=consensus.DEFAULT,
            help=f"{consensus.DEFAULT} unless told otherwise",
        )
        parser.add_argument(
            "--out", type=Path, required=True, help="CSV with columns sample, label and probability to be written"
        )

    def handle(self, *, votes: Path, method: str, out: Path, **_: object) -> None:
        _check_out(out, votes)
        try:
            table, codes = read_votes(votes)
            result = consensus.run(method, table)
            write_labels(out, result, codes)
        except GeoquorumError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{len(result)} samples from {len(table)} votes of {table.n_voters} voters by {method}; "
            f"{int(result.is_disputed.sum())} of them disputed."
        )


def _check_out(out: Path, votes: Path) -> None:
    """Said before the votes are read, which may take a while."""
    if out.is_dir():
        raise CommandError(f"--out {out} is a folder; name a file in it.")
    if not out.absolute().parent.is_dir():
        raise CommandError(f"There is no folder {out.absolute().parent} for --out; make it first.")
    if out.exists() and votes.exists() and out.samefile(votes):
        raise CommandError("--out is the file of votes; choose another name.")
