"""manage.py export_run 12: everything that may be taken away of a finished run, as one zip."""

import shutil
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from fusion.errors import GeoquorumError
from geoquorum.training import artefacts
from geoquorum.training.models import Run


class Command(BaseCommand):
    help = "Write weights, ONNX, model card, STAC item and report of a finished run as one zip."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int, help="number of the run, as in the address of its page")
        parser.add_argument("--to", type=Path, help="where the zip is put; run-NUMBER.zip here if not given")

    def handle(self, *, run: int, to: Path | None, **_: object) -> None:
        found = Run.objects.select_related("version", "project").filter(pk=run).first()
        if found is None:
            raise CommandError(f"There is no run {run}. The list of runs shows their numbers.")
        try:
            made = artefacts.make(found)
        except GeoquorumError as error:
            raise CommandError(str(error)) from error
        target = to or Path(f"run-{run}.zip")
        shutil.copyfile(artefacts.find_folder(found) / artefacts.BUNDLE, target)
        export = (artefacts.read_state(found) or {}).get("export", {})
        if "reason" in export:
            self.stderr.write(f"There is no ONNX file in it: {export['reason']}")
        self.stdout.write(f"{target} {made['sha256']}")
