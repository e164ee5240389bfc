"""What people made of areas: the class of each, by which its patches are balanced."""

from fusion.errors import BadInputError
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.campaigns.services.adjudication import latest_decisions
from geoquorum.catalog.models import Sample


def read_run_codes(*, run: ConsensusRun) -> dict[int, str]:
    """The class of each area of a READY run by the sample's number: a curator's decision, else the consensus."""
    if run.state != ConsensusRun.State.READY:
        raise BadInputError(f"The consensus run is {run.get_state_display()}: wait until it is ready.")
    codes = dict(run.rows.filter(sample__kind=Sample.Kind.AREA).values_list("sample_id", "code"))
    if not codes:
        raise BadInputError("The consensus run is about no area. Vote on areas, or take the classes of references.")
    decided = latest_decisions(campaign=run.campaign)
    return codes | {pk: decided[pk].code for pk in codes.keys() & decided.keys() if decided[pk].code}
