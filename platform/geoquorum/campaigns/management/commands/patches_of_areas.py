"""manage.py patches_of_areas: patches inside training areas, rare classes densely, big areas thinned."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fusion import scheme as schemes
from fusion.areas import Balance
from fusion.errors import BadInputError, GeoquorumError
from geoquorum.accounts.models import Project
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.campaigns.services.area_codes import read_run_codes
from geoquorum.catalog.areas import AreaPatches, cut_areas, read_codes
from geoquorum.catalog.linking import link_region
from geoquorum.catalog.models import Region


class Command(BaseCommand):
    help = (
        "Makes patch samples inside the areas of a project. Classes come from the areas' references, or with --run "
        "from what people voted; they decide how densely an area is sampled. Votes stay with the area: a release takes "
        "the area's consensus for each of its patches."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        usual = Balance()
        parser.add_argument("--project", default="default", help="slug of the project")
        parser.add_argument("--scheme", default="lcz17", help="scheme of the references, where no run is named")
        parser.add_argument("--run", type=int, help="number of the consensus run that gives the classes")
        parser.add_argument("--target", type=int, help="patches per class; by default those of the middle class")
        parser.add_argument("--most-per-area", type=int, help="most patches of one area")
        parser.add_argument("--cell-m", type=int, default=usual.size_m, help="side of a patch in metres")
        parser.add_argument("--pixels", type=int, default=usual.pixels, help="side of a patch in pixels")
        parser.add_argument("--least-share", type=float, default=1.0, help="least part of a patch inside its area")
        parser.add_argument("--finest-m", type=int, default=usual.finest_m, help="smallest stride for rare classes")
        parser.add_argument("--seed", type=int, default=0, help="draws patches where there are more than wanted")
        parser.add_argument("--again", action="store_true", help="replace the patches of an earlier cut")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            known = ", ".join(Project.objects.values_list("slug", flat=True)) or "none"
            raise CommandError(f"There is no project {options['project']!r}. Projects: {known}.")
        try:
            codes = self.read_codes(project, options)
            balance = Balance(
                size_m=options["cell_m"],
                pixels=options["pixels"],
                target=options["target"],
                most_per_area=options["most_per_area"],
                least_share=options["least_share"],
                finest_m=min(options["finest_m"], options["cell_m"]),
                seed=options["seed"],
            )
            self.tell(cut_areas(project=project, codes=codes, balance=balance, by=None, again=options["again"]))
            for region in Region.objects.filter(samples__in=list(codes)).distinct().order_by("pk"):
                self.stdout.writelines(f"{line}\n" for line in link_region(region=region).describe())
        except GeoquorumError as error:
            raise CommandError(str(error)) from error

    def read_codes(self, project: Project, options: dict[str, Any]) -> dict[int, str]:
        """Class of each area by its number, from a run or from references."""
        if options["run"] is None:
            codes, differing = read_codes(project=project, scheme=schemes.find(options["scheme"]))
            for key in differing:
                self.stdout.write(f"left out: {key}: its references name different classes; let people vote on it")
            return codes
        run = ConsensusRun.objects.filter(pk=options["run"], campaign__project=project).first()
        if run is None:
            raise BadInputError(f"{project.slug} has no consensus run {options['run']}.")
        return read_run_codes(run=run)

    def tell(self, cut: AreaPatches) -> None:
        found = cut.sampled
        self.stdout.write(f"{len(found.patches)} patches, {cut.new} of them new, {cut.removed} replaced.")
        for code, count in found.counts.items():
            few = "; there is no ground for more" if count < found.target else ""
            self.stdout.write(f"class {code}: {count} of {found.target}, laid every {found.stride_m[code]} m{few}")
        for key, reason in found.refused.items():
            self.stdout.write(f"refused: {key}: {reason}")
        for overlap in found.overlaps:
            self.stdout.write(f"overlap: {overlap}")
        for key in found.empty:
            self.stdout.write(f"empty: {key}: no patch fits inside; draw it larger or ask for a lower share")
