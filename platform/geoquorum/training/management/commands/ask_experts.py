"""manage.py ask_experts: a draft of a campaign about the unlabelled samples that a finished run is unsure of."""

import json
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from annotation.preranking import RULES
from fusion.errors import GeoquorumError
from geoquorum.catalog.models import Region
from geoquorum.queue.models import JobState
from geoquorum.queue.services import run_claimed
from geoquorum.training.models import Run
from geoquorum.training.preranking import execute_asking, start_asking


class Command(BaseCommand):
    help = "Drafts a campaign about what a run is unsure of, here and now; it is opened on its page."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int, help="number of a finished run")
        parser.add_argument("--samples", type=int, default=100, help="how many samples experts are asked about")
        parser.add_argument("--question", default="", help="of the campaign; the one that the run's labels answer")
        parser.add_argument("--votes", type=int, default=3, help="wanted per sample, or the most")
        parser.add_argument("--policy", type=json.loads, help='JSON such as {"kind": "adaptive", "minimum": 2, ...}')
        parser.add_argument("--rule", choices=RULES, default="margin", help="how samples are chosen")
        parser.add_argument("--region", action="append", default=[], help="name of a city; all where none is named")
        parser.add_argument("--run-votes", action="store_true", help="the run votes too, as a machine")
        parser.add_argument("--name", default="", help="of the campaign")

    def handle(self, *, run: int, region: list[str], **options: object) -> None:
        found = Run.objects.select_related("project", "version__consensus_run__campaign").filter(pk=run).first()
        if found is None:
            raise CommandError(f"There is no run {run}.")
        try:
            job = start_asking(
                run=found,
                samples=int(str(options["samples"])),
                question=str(options["question"]),
                votes=int(str(options["votes"])),
                policy=options["policy"],
                rule=options["rule"],
                regions=self._find_regions(found, region),
                is_voting=bool(options["run_votes"]),
                name=str(options["name"]),
                by=None,
            )
            run_claimed(job.pk, execute_asking)
        except GeoquorumError as error:
            raise CommandError(str(error)) from error
        job.refresh_from_db()
        if job.state != JobState.DONE:
            raise CommandError(job.reason or f"The job is {job.get_state_display()}; a worker goes on with it.")
        self.stdout.write(json.dumps(job.result))

    def _find_regions(self, run: Run, names: list[str]) -> list[Region]:
        known = {region.name: region for region in run.project.regions.all()}
        if missing := [name for name in names if name not in known]:
            raise CommandError(
                f"{run.project} has no city {missing[0]!r}. It has {', '.join(sorted(known)) or 'none'}."
            )
        return [known[name] for name in names]
