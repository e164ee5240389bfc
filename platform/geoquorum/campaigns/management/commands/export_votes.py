"""manage.py export_votes: every vote of a campaign into one file."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from geoquorum.accounts.services import record
from geoquorum.campaigns.models import Campaign, CampaignState
from geoquorum.campaigns.services import exports


class Command(BaseCommand):
    help = "Writes every vote of a closed or unblinded campaign as .parquet, .csv or .jsonl; memory does not grow."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--campaign", type=int, required=True, help="number of the campaign, as in its address")
        parser.add_argument("--out", type=Path, required=True, help="a file that does not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        campaign, out = Campaign.objects.filter(pk=options["campaign"]).first(), options["out"]
        form = out.suffix.lower().lstrip(".")
        if campaign is None:
            raise CommandError(f"There is no campaign {options['campaign']}. Its number is in its page's address.")
        if campaign.state != CampaignState.CLOSED and campaign.unblinded_at is None:
            raise CommandError("The campaign is not closed. Close it first, or unblind it on its page with a reason.")
        if form not in exports.MEDIA_TYPES:
            raise CommandError(f"{out} must end in .{', .'.join(exports.MEDIA_TYPES)}: its ending says the form.")
        if out.exists():
            raise CommandError(f"{out} exists; nothing is overwritten. Choose another name.")
        partial = out.with_name(f".{out.name}.part")
        try:
            with open(partial, "wb") as file:
                for piece in exports.stream_votes(campaign=campaign, form=form):
                    file.write(piece)
                os.fsync(file.fileno())
            partial.rename(out)
        except OSError as error:
            raise CommandError(f"{out} cannot be written: {error.strerror}.") from error
        finally:
            partial.unlink(missing_ok=True)
        subject = f"campaign {campaign.pk}"
        record(project=campaign.project, actor=None, action="votes exported", subject=subject, detail={"form": form})
        self.stdout.write(f"{out} holds the votes of {campaign.name}.")
