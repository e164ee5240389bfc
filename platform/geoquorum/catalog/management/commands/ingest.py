"""manage.py ingest: files and folders of every known source into a region, checked first, all of them or nothing.

What belongs together in the region by place and time is linked afterwards (catalog.linking), and how far its scenes lie
beside each other is measured (catalog.registering).
"""

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
from geoquorum.catalog import files, services
from geoquorum.catalog.files import Statement, Taken
from geoquorum.catalog.linking import Linked, link_region
from geoquorum.catalog.models import Region
from geoquorum.catalog.registering import Registered, register_region


class Command(BaseCommand):
    help = (
        "Takes files into a region: GeoTIFFs and band folders (cut into grid patches), ENVI, cubes, point clouds, "
        "shapes, weather series, videos, STAC Items, photos and posts. What a file is, is told from its content."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder of them")
        known = ", ".join([*sorted(modalities.load_all()), *files.PLAIN.values()])
        parser.add_argument("--modality", default="", help=f"where the file does not say what it shows: {known}")
        parser.add_argument("--project", default="default", help="slug of the project; a new one is made")
        parser.add_argument("--region", help="name of the region; by default that of the first path")
        parser.add_argument("--bands", help="comma-separated names of the file's bands, in their order")
        parser.add_argument("--date", help="date of acquisition (YYYY-MM-DD) where the file does not say")
        parser.add_argument("--season", default="", help="season where the date does not tell it")
        parser.add_argument("--offset", type=float, help="offset of the stored numbers where metadata do not say")
        parser.add_argument("--epsg", type=int, help="CRS of a point cloud, ASCII grid or shapes that do not say it")
        parser.add_argument("--skip-refused", action="store_true", help="name what is refused, and take the others")
        parser.add_argument("--cell-m", type=int, default=320, help="side of a patch in metres")
        parser.add_argument("--pixels", type=int, default=32, help="side of a patch in pixels")
        parser.add_argument("--no-links", action="store_true", help="link nothing now; see manage.py link")
        parser.add_argument("--json", action="store_true", help="one JSON line instead of words")

    def handle(self, *args: Any, **options: Any) -> None:
        taken: list[Taken] = []
        refused: list[str] = []
        regions: dict[int, Region] = {}
        try:
            stated = _read_statement(options)
            with transaction.atomic():
                for path in options["paths"]:
                    region = self.take(path, stated, options, taken, refused)
                    regions[region.pk] = region
                patches = self.cut(taken, options)
        except BaseException as error:
            files.forget(taken)
            if isinstance(error, GeoquorumError):
                raise CommandError(str(error)) from error
            raise
        linked = [] if options["no_links"] else self.link(list(regions.values()))
        registered = self.register(taken)
        if options["json"]:
            links = {one.region.name: one.as_json() for one in linked}
            shifts = {one.region.name: one.scenes for one in registered}
            self.stdout.write(json.dumps(_say(taken, refused, patches) | {"links": links, "registration": shifts}))
            return
        for one in taken:
            self.stdout.write("\n".join(one.words))
        for sentence in refused:
            self.stdout.write(f"Left out: {sentence}")
        for name, count in patches.items():
            self.stdout.write(f"Region {name}: {count} patches of {options['cell_m']} m are covered whole.")
            self.suggest(name, count, regions, options["cell_m"])
        for found in (*linked, *registered):
            self.stdout.writelines(f"{line}\n" for line in found.describe())

    def suggest(self, name: str, count: int, regions: dict[int, Region], cell_m: int) -> None:
        """What to do where scenes are smaller than a patch."""
        for region in regions.values():
            smaller = services.suggest_cell_m(region) if region.name == name and not count else None
            if smaller and smaller < cell_m:
                self.stdout.write(f"Its scenes are smaller than that: patches of {smaller} m fit (--cell-m {smaller}).")

    def link(self, regions: list[Region]) -> list[Linked]:
        """What was taken stays, whatever comes of linking it."""
        try:
            return [link_region(region=region) for region in regions]
        except GeoquorumError as error:
            self.stderr.write(f"Taken, but not linked: {error} Link it again with manage.py link.")
            return []

    def register(self, taken: list[Taken]) -> list[Registered]:
        """How the scenes of each region that one was taken into lie beside each other."""
        regions: dict[int, Region] = {scene.region_id: scene.region for one in taken for scene, _infos in one.scenes}
        return [register_region(region=region) for region in regions.values()]

    def cut(self, taken: list[Taken], options: dict[str, Any]) -> dict[str, int]:
        """Number of patches of each region that a scene was taken into."""
        scenes = [scene for one in taken for scene, _infos in one.scenes]
        regions: dict[int, Region] = {scene.region_id: scene.region for scene in scenes}
        return {
            region.name: len(services.cut_patches(region=region, size_m=options["cell_m"], pixels=options["pixels"]))
            for region in regions.values()
        }

    def take(
        self, path: Path, stated: Statement, options: dict[str, Any], taken: list[Taken], refused: list[str]
    ) -> Region:
        """Adds what one path gave to `taken`, and why something of it was left out to `refused`; answers its region."""
        if slugify(options["project"]) != options["project"]:
            raise CommandError(
                f"--project {options['project']!r} must be a slug: small letters, digits, hyphens and underscores."
            )
        places, left = files.list_places(path, stated)
        if not places:
            raise CommandError(" ".join(left) or f"{path}: an empty folder. Give one with files in it.")
        refused += left
        project, _created = Project.objects.get_or_create(
            slug=options["project"], defaults={"name": options["project"].replace("-", " ").capitalize()}
        )
        region = services.get_region(project=project, name=options["region"] or path.stem)
        for place in places:
            try:
                taken.append(files.take_file(region=region, path=place, stated=stated))
            except GeoquorumError as error:
                if not options["skip_refused"]:
                    raise
                refused.append(str(error))
        if not taken:
            raise CommandError("Nothing was taken. " + " ".join(refused))
        return region


def _read_statement(options: dict[str, Any]) -> Statement:
    stated = Statement(
        modality=options["modality"],
        bands=tuple(options["bands"].split(",")) if options["bands"] else None,
        captured=_parse_date(options["date"]),
        offset=options["offset"],
        season=options["season"],
        epsg=options["epsg"],
    )
    files.check_statement(stated)
    return stated


def _say(taken: list[Taken], refused: list[str], patches: dict[str, int]) -> dict[str, Any]:
    scenes = [
        {"scene": scene.name, "region": scene.region.name, "files": [_facts(info) for info in infos]}
        for one in taken
        for scene, infos in one.scenes
    ]
    assets = [
        {"uri": asset.uri, "sha256": asset.sha256, "modality": asset.modality, "epsg": asset.epsg}
        for one in taken
        for asset in one.assets
        if asset.region_id is not None
    ]
    samples = sum(one.samples for one in taken)
    return {"scenes": scenes, "patches": patches, "assets": assets, "samples": samples, "refused": refused}


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
