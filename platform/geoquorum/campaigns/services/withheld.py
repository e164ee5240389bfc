"""Results that a contest holds back: to an expert its samples look as before the close."""

from geoquorum.accounts.models import Role
from geoquorum.campaigns.models import Campaign
from geoquorum.catalog.held_back import holds_any
from geoquorum.catalog.models import Sample


def is_withheld(*, campaign: Campaign, role: str) -> bool:
    """Whether somebody with this role may not see what was said in this campaign, even after its close."""
    asked = Sample.objects.filter(round_samples__round__campaign=campaign)
    return role == Role.EXPERT and holds_any(asked)
