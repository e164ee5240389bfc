"""manage.py ingest: local GeoTIFFs into a region, checked first, taken whole or not at all."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.text import slugify

from fusion import modality as modalities
from fusion.errors import GeoquorumError
from fusion.source import RasterInfo
from geoquorum.accounts.models import Project
from geoquorum.catalog import services
from geoquorum.catalog.models import Scene


class Command(BaseCommand):
    help = "Takes GeoTIFFs (stacks, or a folder with one file per band) into a region and cuts it into grid patches."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a GeoTIFF, or a folder of bands")
        parser.add_argument("--modality", required=True, help=f"one of: {', '.join(sorted(modalities.load_all()))}")
        parser.add_argument("--project", default="default", help="slug of the project; a new one is made")
        parser.add_argument("--region", help="name of the region; by default that of the first path")
        parser.add_argument("--bands", help="comma-separated names of the file's bands, in their order")
        parser.add_argument("--date", help="date of acquisition (YYYY-MM-DD) where the file does not say")
        parser.add_argument("--season", default="", help="season where the date does not tell it")
        parser.add_argument("--offset", type=float, help="offset of the stored numbers where metadata do not say")
        parser.add_argument("--cell-m", type=int, default=320, help="side of a patch in metres")
        parser.add_argument("--pixels", type=int, default=32, help="side of a patch in pixels")
        parser.add_argument("--json", action="store_true", help="one JSON line instead of words")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            modalities.find(options["modality"])
            with transaction.atomic():
                taken = [pair for path in options["paths"] for pair in self.take(path, options)]
                patches = self.cut(taken, options)
        except GeoquorumError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            scenes = [
                {"scene": scene.name, "region": scene.region.name, "files": [_facts(info) for info in infos]}
                for scene, infos in taken
            ]
            self.stdout.write(json.dumps({"scenes": scenes, "patches": patches}))
            return
        for _scene, infos in taken:
            self.stdout.write("\n".join(info.describe() for info in infos))
        for region, count in patches.items():
            self.stdout.write(f"Region {region}: {count} patches of {options['cell_m']} m are covered whole.")

    def cut(self, taken: list[tuple[Scene, list[RasterInfo]]], options: dict[str, Any]) -> dict[str, int]:
        """Number of patches of each region that something was taken into."""
        regions = {scene.region_id: scene.region for scene, _infos in taken}
        return {
            region.name: len(services.cut_patches(region=region, size_m=options["cell_m"], pixels=options["pixels"]))
            for region in regions.values()
        }

    def take(self, path: Path, options: dict[str, Any]) -> list[tuple[Scene, list[RasterInfo]]]:
        if slugify(options["project"]) != options["project"]:
            raise CommandError(
                f"--project {options['project']!r} must be a slug: small letters, digits, hyphens and underscores."
            )
        project, _created = Project.objects.get_or_create(
            slug=options["project"], defaults={"name": options["project"].replace("-", " ").capitalize()}
        )
        region = services.get_region(project=project, name=options["region"] or path.stem)
        return services.ingest(
            region=region,
            paths=[path],
            modality=options["modality"],
            bands=options["bands"].split(",") if options["bands"] else None,
            captured=_parse_date(options["date"]),
            offset=options["offset"],
            season=options["season"],
        )


def _parse_date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise CommandError(f"--date {text!r} is not a date. Write it as YYYY-MM-DD.") from error


def _facts(info: RasterInfo) -> dict[str, Any]:
    return {
        "path": str(info.path),
        "sha256": info.sha256,
        "bands": list(info.used),
        "epsg": info.epsg,
        "offset": info.offset,
        "invalid_share": info.invalid_share,
    }
