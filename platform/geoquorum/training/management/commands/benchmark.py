"""manage.py benchmark: fixes a benchmark on a dataset version, as its page and the API do."""

import datetime
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from fusion.errors import GeoquorumError
from geoquorum.releases.models import DatasetVersion
from geoquorum.training.benchmarks import create_benchmark
from geoquorum.training.models import Benchmark, Protocol


class Command(BaseCommand):
    """Status 0 when it is made, 1 when it is refused (nothing is stored), 2 for wrong options."""

    help = "Make a benchmark: a version, a split, a metric and a protocol on which systems are scored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--version-id", type=int, required=True, help="number of the dataset version")
        parser.add_argument("--name", required=True)
        parser.add_argument("--task", default="patch_classes")
        parser.add_argument("--split", choices=["test", "validation"], default="test")
        parser.add_argument("--metric", default="oa")
        parser.add_argument("--also", nargs="*", default=[], metavar="METRIC", help="metrics shown beside it")
        parser.add_argument("--protocol", choices=Protocol.values, required=True)
        parser.add_argument("--note", default="")
        parser.add_argument("--interval-by", choices=Benchmark.Drawn.values, default=Benchmark.Drawn.BLOCK)
        parser.add_argument("--draws", type=int, default=1000)
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--daily-limit", type=int, default=20)
        parser.add_argument("--counts", choices=Benchmark.Counts.values, default=Benchmark.Counts.BEST)
        parser.add_argument("--ends-at", help="makes it a contest with hidden labels: end, such as 2027-01-31T12:00Z")
        parser.add_argument("--public-share", type=float, default=0.3, help="of the rows of a contest: 0.3 by default")

    def handle(self, **given: object) -> None:
        version = DatasetVersion.objects.select_related("project").filter(pk=given["version_id"]).first()
        if version is None:
            raise CommandError(f"There is no dataset version {given['version_id']}.")
        ends_at = _read_time(given["ends_at"])
        same = ("name", "task", "split", "metric", "protocol", "note", "interval_by", "seed", "daily_limit", "counts")
        try:
            made = create_benchmark(
                version=version,
                by=None,
                further_metrics=given["also"],
                resamples=given["draws"],
                has_hidden_labels=ends_at is not None,
                ends_at=ends_at,
                public_share=given["public_share"] if ends_at else None,
                **{key: given[key] for key in same},
            )
        except GeoquorumError as error:
            raise CommandError(str(error)) from error
        kind = "contest" if made.has_hidden_labels else "benchmark"
        self.stdout.write(f"{kind} {made.pk} ({made.slug}): {made.metric} on the split {made.split} of {version}.")


def _read_time(word: object) -> datetime.datetime | None:
    if not word:
        return None
    try:
        found = parse_datetime(str(word))
    except ValueError:  # well formed, but no day of any calendar
        found = None
    if found is None:
        raise CommandError(f"--ends-at {word} is no time such as 2027-01-31T12:00Z.")
    return found
