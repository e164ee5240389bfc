"""manage.py ingest_photos: street photos into a region, checked first, taken whole or not at all."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fusion.errors import GeoquorumError
from fusion.sources.photos.reading import SUFFIXES
from geoquorum.catalog.destination import add_destination, find_destination
from geoquorum.catalog.linking import link_region
from geoquorum.catalog.photos import ingest_photos


class Command(BaseCommand):
    help = "Takes JPEG, PNG and WebP photos into a region; their EXIF gives place and heading, and is not kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a photo, or a folder of photos")
        add_destination(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            paths = [photo for path in options["paths"] for photo in _list_photos(path)]
            region = find_destination(options)
            taken = ingest_photos(region=region, paths=paths)
            linked = link_region(region=region)
        except GeoquorumError as error:
            raise CommandError(str(error)) from error
        for one in taken:
            sample, notes = one.sample, "; ".join(one.photo.notes)
            place = f"{sample.latitude:.6f}, {sample.longitude:.6f}" if sample.has_place else "no place"
            heading = "" if sample.heading_deg is None else f", heading {sample.heading_deg:.0f}"
            known = "" if one.is_new else ", was here already"
            self.stdout.write(
                f"{one.photo.path.name}: {sample.key}, {place}{heading}{known}. {notes}".rstrip(". ") + "."
            )
        self.stdout.write(f"{sum(one.is_new for one in taken)} new photos of {len(taken)}.")
        self.stdout.writelines(f"{line}\n" for line in linked.describe())


def _list_photos(path: Path) -> list[Path]:
    """The photo itself, or those of a folder by name."""
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES)
    if not found:
        raise CommandError(f"{path} holds no photo: no file there ends in {', '.join(SUFFIXES)}.")
    return found
