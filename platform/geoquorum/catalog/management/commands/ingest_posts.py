"""manage.py ingest_posts: a table of posts into a region, checked first, taken whole or not at all."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fusion.errors import GeoquorumError
from fusion.sources.posts.reading import KNOWN
from geoquorum.catalog.destination import add_destination, find_destination
from geoquorum.catalog.linking import link_region
from geoquorum.catalog.posts import ingest_posts


class Command(BaseCommand):
    help = (
        f"Takes posts from a CSV or from JSON lines into a region. Columns: {', '.join(KNOWN)}. Names, addresses and "
        "numbers are taken out of the words; authors are kept as keyed hashes alone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="a table that ends in .csv, .jsonl or .ndjson")
        add_destination(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            region = find_destination(options)
            taken = ingest_posts(region=region, path=options["path"])
            linked = link_region(region=region)
        except GeoquorumError as error:
            raise CommandError(str(error)) from error
        found = ", ".join(f"{count} x {kind}" for kind, count in sorted(taken.removed.items())) or "nothing"
        self.stdout.write(f"{len(taken.ids)} new posts, {taken.known} were here already. Taken out: {found}.")
        self.stdout.writelines(f"{line}\n" for line in linked.describe())
