"""manage.py import_samples: a table of samples, or the training areas of a KML file, into a project."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from annotation.exchange.areas import CODINGS, check_coding
from fusion import scheme as schemes
from fusion.errors import GeoquorumError
from geoquorum.accounts.models import Project
from geoquorum.catalog import services
from geoquorum.catalog.areas import take_areas
from geoquorum.catalog.tables import COLUMNS, take_samples

AREAS = (".kml", ".kmz")


class Command(BaseCommand):
    help = (
        f"Adds samples from a CSV or Parquet table (columns {', '.join(COLUMNS)}; only sample is needed), or the "
        "training areas of a KML or KMZ file. All or nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument("--project", required=True, help="slug of the project")
        parser.add_argument("--cell-m", type=int, help="give samples with a place the grid cell of this size in metres")
        parser.add_argument("--region", help="areas: name of the region; by default the file's name")
        parser.add_argument("--scheme", default="lcz17", help="areas: the scheme that folders name classes of")
        parser.add_argument("--coding", default="code", help=f"areas: how numbers name classes: {', '.join(CODINGS)}")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            known = ", ".join(Project.objects.values_list("slug", flat=True)) or "none"
            raise CommandError(f"There is no project {options['project']!r}. Projects: {known}.")
        try:
            take = self.take_areas if options["path"].suffix.lower() in AREAS else self.take_table
            with transaction.atomic():
                take(project, options)
        except GeoquorumError as error:
            raise CommandError(str(error)) from error

    def take_table(self, project: Project, options: dict[str, Any]) -> None:
        count = take_samples(project=project, path=options["path"], by=None, cell_m=options["cell_m"])
        self.stdout.write(f"{count} samples are new in {project.slug}.")

    def take_areas(self, project: Project, options: dict[str, Any]) -> None:
        path = options["path"]
        region = services.get_region(
            project=project, name=options["region"] or path.stem or "areas", is_simulated=project.is_simulated
        )
        scheme, coding = schemes.find(options["scheme"]), check_coding(options["coding"])
        file, new = take_areas(region=region, path=path, scheme=scheme, by=None, coding=coding)
        self.stdout.write(f"{len(file.areas)} areas in {path.name}, {new} of them new in region {region.name}.")
        for one in file.rejected:
            self.stdout.write(f"rejected: {one}")
        for place, marks in file.marks.items():
            area = file.areas[place]
            self.stdout.write(f"marked: {area.folder} / {area.name}: {'; '.join(marks)}")
