"""What runs and maps do not tell experts while a contest holds labels of their version or region back."""

from collections.abc import Iterable

from geoquorum.accounts.models import User
from geoquorum.catalog.held_back import holds_any
from geoquorum.catalog.models import Region, Sample
from geoquorum.releases.withheld import is_withheld
from geoquorum.training.models import Run


def hide_report(run: Run, user: User) -> bool:
    """Empties the report of a run, in memory alone, where this person may not see what follows from the labels.

    Curves stay: they are of the samples that train and validate.
    """
    if run.report is None or not is_withheld(version=run.version, user=user):
        return False
    run.report = None
    return True


def hide_reports(runs: Iterable[Run], user: User) -> None:
    """As `hide_report` for a list."""
    for run in runs:
        hide_report(run, user)


def holds_region(region: Region) -> bool:
    """Whether labels of samples of this region are held back: then references there are for curators."""
    return holds_any(Sample.objects.filter(region=region))
