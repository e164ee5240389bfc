"""Labels that are for curators alone: held back while their samples are the hidden test of a contest.

Whatever would show an expert what was said of such a sample asks here first: results of campaigns, words about a
sample, labels and counts of versions, reports of runs, maps beside references. One's own votes stay one's own.
"""

from django.db.models import QuerySet

from geoquorum.catalog.models import HeldBack, Sample

BATCH = 5_000


def hold_back(*, samples: QuerySet[Sample], reason: str) -> int:
    """From now on the labels of these samples are for curators alone; how many samples there are."""
    rows = [HeldBack(sample_id=number, reason=reason) for number in samples.values_list("pk", flat=True)]
    HeldBack.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)
    return len(rows)


def let_go(*, reason: str) -> int:
    """Ends what `hold_back` began for this reason; samples that another reason holds stay held back."""
    return HeldBack.objects.filter(reason=reason).delete()[0]


def holds_any(samples: QuerySet[Sample]) -> bool:
    """Whether a label of any of these samples, of what they were cut from, or of what was cut from them is held back.

    A patch says what its area is, and an area what its patches are.
    """
    if not HeldBack.objects.exists():
        return False
    held = HeldBack.objects.filter
    return (
        held(sample__in=samples).exists()
        or held(sample__in=samples.exclude(parent=None).values("parent")).exists()
        or held(sample__parent__in=samples).exists()
    )
