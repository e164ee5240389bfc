"""Reviews: a campaign that asks of each sample whether one proposed class is right."""

from collections.abc import Mapping

from django.db import transaction

from annotation import question as questions
from fusion import scheme as schemes
from geoquorum.accounts.models import Project, User
from geoquorum.campaigns.models import Campaign, CampaignState, ConsensusRun, Round, RoundSample
from geoquorum.campaigns.services.lifecycle import create_campaign, current_round
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.catalog.models import Sample

QUESTION, SCHEME = "yes_no_review", "yes_no"


@transaction.atomic
def create_review(
    *, project: Project, name: str, proposals: Mapping[int, str], quota: int, by: User | None, seed: int = 0
) -> Campaign:
    """A draft about these samples; `proposals` gives the class that each one, by its id, is asked about."""
    samples = list(Sample.objects.filter(pk__in=proposals, project=project).order_by("pk"))
    if len(samples) != len(proposals):
        raise RefusedError("All samples of a review must belong to its project.", status=400)
    campaign = create_campaign(
        project=project, name=name, question=QUESTION, scheme=SCHEME, samples=samples, quota=quota, by=by, seed=seed
    )
    propose(round=current_round(campaign=campaign), proposals=proposals)
    return campaign


@transaction.atomic
def propose(*, round: Round, proposals: Mapping[int, str]) -> None:
    """Sets what each sample of a draft's round is asked about; a sample left out or an unknown class is refused."""
    asked = questions.find(round.campaign.question).prompt_scheme
    if asked is None or round.campaign.state != CampaignState.DRAFT:
        raise RefusedError("Classes are proposed only in a draft whose question asks about one.", status=400)
    codes = set(schemes.find(asked).codes)
    if unknown := sorted(set(proposals.values()) - codes):
        raise RefusedError(f"{unknown[0]!r} is not a code of scheme {asked!r}.", status=400)
    rows = list(RoundSample.objects.filter(round=round))
    if lacking := sum(row.sample_id not in proposals for row in rows):
        raise RefusedError(f"{lacking} samples of the review have no proposed class.", status=400)
    for row in rows:
        row.prompt = proposals[row.sample_id]
    RoundSample.objects.bulk_update(rows, ["prompt"], batch_size=2_000)


def read_proposals(run: ConsensusRun) -> dict[int, str]:
    """The label of every sample of a consensus: what a review of it proposes; of other classes it proposes none."""
    asked = questions.find(QUESTION).prompt_scheme
    if run.campaign.scheme != asked:
        raise RefusedError(
            f"A review asks about classes of {asked!r}; this campaign's are those of {run.campaign.scheme!r}.",
            status=400,
        )
    return dict(run.rows.exclude(code="").values_list("sample_id", "code"))
