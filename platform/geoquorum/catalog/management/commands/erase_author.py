"""manage.py erase_author: empties what one author of posts wrote."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fusion.errors import GeoquorumError
from geoquorum.accounts.models import Project
from geoquorum.catalog.posts import erase_author


class Command(BaseCommand):
    help = (
        "Empties words, pictures and hashes of one author's posts in a project; samples and votes stay. The name is "
        "read from standard input, so that it reaches neither the shell's history nor a log."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", default="default", help="slug of the project")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}.")
        try:
            count = erase_author(project=project, handle=sys.stdin.readline().strip(), by=None)
        except GeoquorumError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count} posts emptied.")
