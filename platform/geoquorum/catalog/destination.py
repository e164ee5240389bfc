"""The options of a command that say which project and region files go into."""

from argparse import ArgumentParser
from typing import Any

from django.utils.text import slugify

from fusion.errors import BadInputError
from geoquorum.accounts.models import Project
from geoquorum.catalog.models import Region
from geoquorum.catalog.services import get_region


def add_destination(parser: ArgumentParser) -> None:
    """--project and --region."""
    parser.add_argument("--project", default="default", help="slug of the project; a new one is made")
    parser.add_argument("--region", required=True, help="name of the region; a new one is made")


def find_destination(options: dict[str, Any]) -> Region:
    """The region that the options name, made where it is new."""
    slug = options["project"]
    if slugify(slug) != slug:
        raise BadInputError(f"--project {slug!r} must be a slug: small letters, digits, hyphens and underscores.")
    name = slug.replace("-", " ").capitalize()
    project, _created = Project.objects.get_or_create(slug=slug, defaults={"name": name})
    return get_region(project=project, name=options["region"])
