"""manage.py link: what belongs together in a region by place and time, joined anew."""

from argparse import ArgumentParser
from dataclasses import fields
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fusion.errors import GeoquorumError
from geoquorum.accounts.models import Project
from geoquorum.catalog.joins import Reach
from geoquorum.catalog.linking import find_reach, link_region
from geoquorum.catalog.models import Region


class Command(BaseCommand):
    help = (
        "Links the patches of a region with photos, posts, weather stations, shapes, heights and maps, by place and "
        "time: all of its links anew. Ingest does so by itself; numbers given here hold for the next ingest too."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        usual = Reach()
        parser.add_argument("--project", default="default", help="slug of the project")
        parser.add_argument("--region", help="name of the region; by default every region of the project")
        parser.add_argument(
            "--within-m", type=float, help=f"how far beside a patch photos and posts lie; first {usual.within_m:g}"
        )
        parser.add_argument("--station-m", type=float, help=f"how far a station may be; first {usual.station_m:g}")
        parser.add_argument("--window-days", type=float, help="how much earlier or later; at first any time will do")
        parser.add_argument("--any-time", action="store_true", help="without a window of time again")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            known = ", ".join(Project.objects.values_list("slug", flat=True)) or "none"
            raise CommandError(f"There is no project {options['project']!r}. Projects: {known}.")
        regions = Region.objects.filter(project=project).order_by("pk")
        if options["region"]:
            regions = regions.filter(name=options["region"])
        if not regions:
            known = ", ".join(project.regions.values_list("name", flat=True)) or "none"
            raise CommandError(f"{project.slug} has no region {options['region']!r}. Regions: {known}.")
        try:
            for region in regions:
                found = link_region(region=region, reach=_choose_reach(region, options))
                lines = found.describe() or [f"Region {region}: nothing lies on or near its {found.patches} patches."]
                self.stdout.writelines(f"{line}\n" for line in lines)
        except GeoquorumError as error:
            raise CommandError(str(error)) from error


def _choose_reach(region: Region, options: dict[str, Any]) -> Reach:
    """What is not said stays as it was the last time."""
    before = find_reach(region)
    said = {one.name: options[one.name] for one in fields(Reach)}
    chosen = {name: getattr(before, name) if value is None else value for name, value in said.items()}
    return Reach(**chosen | ({"window_days": None} if options["any_time"] else {}))
