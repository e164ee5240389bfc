"""What a version does not tell experts while a contest holds labels of its samples back: where they lie, and counts."""

from typing import Any

from django.db.models import Q, QuerySet

from geoquorum.accounts.models import Role, User
from geoquorum.accounts.services import has_role
from geoquorum.catalog.held_back import holds_any
from geoquorum.catalog.models import Sample
from geoquorum.releases.models import DatasetVersion

TELLING = ("classes",)  # of the summary


def list_samples(version: DatasetVersion) -> QuerySet[Sample]:
    """What a version was frozen from: what was asked about, and the patches of areas that were."""
    runs = [number for number in version.consensus_ids if number is not None]
    return Sample.objects.filter(Q(consensus__run__in=runs) | Q(parent__consensus__run__in=runs)).distinct()


def is_withheld(*, version: DatasetVersion, user: User) -> bool:
    """Whether this person may not see what the labels of this version are, how many of each there are, or scores."""
    return holds_any(list_samples(version)) and not has_role(user=user, project=version.project, minimum=Role.CURATOR)


def tell_summary(*, version: DatasetVersion, user: User) -> dict[str, Any]:
    """The version's summary as this person may read it."""
    if not is_withheld(version=version, user=user):
        return dict(version.summary)
    return {key: value for key, value in version.summary.items() if key not in TELLING}
