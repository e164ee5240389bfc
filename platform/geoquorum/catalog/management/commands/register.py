"""manage.py register: how the scenes of a region lie on its grid and beside each other, measured where that is new."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from geoquorum.accounts.models import Project
from geoquorum.catalog.models import Region
from geoquorum.catalog.registering import register_region, tell_scenes


class Command(BaseCommand):
    help = (
        "Measures the residual shift of the scenes of a region by phase correlation, and flags those that lie "
        "beside the others. Ingest does so by itself."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", default="default", help="slug of the project")
        parser.add_argument("--region", help="name of the region; by default every region of the project")

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
        for region in regions:
            found = register_region(region=region)
            scenes = list(region.scenes.prefetch_related("assets").order_by("modality", "name"))
            told = tell_scenes(region, scenes)
            for scene in scenes:
                words = [told[scene.pk][name] for name in ("pixel", "shift", "why") if told[scene.pk][name]]
                self.stdout.write(f"Region {region}: {scene.modality} {scene.name}: {'; '.join(words)}")
            self.stdout.writelines(f"{line}\n" for line in found.describe())
