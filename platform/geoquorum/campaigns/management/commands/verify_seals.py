"""manage.py verify_seals: do the stored votes agree with the seals?"""

import time
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.services.sealing import read_anchor


class Command(BaseCommand):
    """Prints a line per campaign; status 1 and the first bad row where something was changed."""

    help = "Compare votes with their seals, and seals with the links kept outside the database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--campaign", type=int, help="number of one campaign; all without it")
        parser.add_argument("--anchor", type=Path, help="a copy of the campaign's file of links, kept elsewhere")

    def handle(self, *, campaign: int | None, anchor: Path | None, **_: object) -> None:
        if anchor is not None and (campaign is None or not anchor.is_file()):
            raise CommandError("--anchor is a readable file of links and needs --campaign.")
        chosen = Campaign.objects.order_by("pk")
        if campaign is not None:
            chosen = chosen.filter(pk=campaign)
            if not chosen:
                raise CommandError(f"There is no campaign {campaign}.")
        verdicts = [self._verify(each, anchor) for each in chosen]
        if bad := [verdict for verdict in verdicts if not verdict.is_good]:
            raise CommandError("\n".join(f"campaign {verdict.campaign}: {verdict.fault}" for verdict in bad))

    def _verify(self, campaign: Campaign, anchor: Path | None) -> services.Verdict:
        started = time.perf_counter()
        told = None if anchor is None else read_anchor(anchor)
        verdict = services.verify_seals(campaign=campaign, anchor=told)
        seconds = time.perf_counter() - started
        word = "agree" if verdict.is_good else "DO NOT agree"
        self.stdout.write(
            f"campaign {campaign.pk}: {verdict.votes} votes and {verdict.seals} seals {word} ({seconds:.1f} s)"
        )
        return verdict
