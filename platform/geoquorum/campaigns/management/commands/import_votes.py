"""manage.py import_votes: the votes of a file into an open campaign's round."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fusion.errors import GeoquorumError
from geoquorum.accounts.models import Expert
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.services.vote_files import COLUMNS, import_vote_file


class Command(BaseCommand):
    help = (
        f"Adds the votes of a CSV or Parquet table (columns {', '.join(COLUMNS)}; the first three are needed) or of a "
        "Label Studio export (.json) to an open campaign. All or nothing; each bad row is named."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument("--campaign", type=int, required=True, help="number of the campaign, as in its address")
        parser.add_argument("--kind", default=Expert.Kind.PERSON, choices=Expert.Kind.values, help="whose votes")

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = Campaign.objects.filter(pk=options["campaign"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign {options['campaign']}. Its number is in its page's address.")
        round = services.current_round(campaign=campaign)
        try:
            count = import_vote_file(round=round, path=options["path"], by=None, kind=options["kind"])
        except (GeoquorumError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count} votes are new in {campaign.name}.")
