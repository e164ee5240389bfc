"""Who sees which benchmark: members of its project, but not another way to labels that a contest holds back."""

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from geoquorum.accounts.models import Project, Role, User
from geoquorum.accounts.services import has_role, require_role
from geoquorum.releases.models import DatasetVersion
from geoquorum.releases.withheld import is_withheld
from geoquorum.training.models import Benchmark


def find_benchmark(*, user: User, benchmark_id: int, minimum: str = Role.EXPERT) -> Benchmark:
    """The benchmark; 404 for strangers.

    403 for experts where a contest holds labels of its version back, unless it is that contest: unlimited scores on
    hidden labels would give them away.
    """
    found = get_object_or_404(Benchmark.objects.select_related("project", "version"), pk=benchmark_id)
    require_role(user=user, project=found.project, minimum=minimum)
    if not found.has_hidden_labels and is_withheld(version=found.version, user=user):
        raise PermissionDenied(_("A contest holds labels of this version back; its other scores are for curators."))
    return found


def list_benchmarks(projects: QuerySet[Project], user: User) -> QuerySet[Benchmark]:
    """Benchmarks of these projects that this person may open."""
    found = Benchmark.objects.filter(project__in=projects)
    versions = DatasetVersion.objects.filter(benchmarks__in=found.filter(has_hidden_labels=False)).distinct()
    closed = [one.pk for one in versions.select_related("project") if is_withheld(version=one, user=user)]
    return found.exclude(has_hidden_labels=False, version__in=closed).select_related("project", "version")


def is_curator(*, user: User, benchmark: Benchmark) -> bool:
    """Whether this person may make benchmarks here."""
    return has_role(user=user, project=benchmark.project, minimum=Role.CURATOR)
