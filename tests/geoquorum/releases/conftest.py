"""What most files about versions begin with."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from geoquorum.campaigns.models import ConsensusRun


@pytest.fixture(scope="module")
def shared_run(shared_rows: None) -> "ConsensusRun":
    """The consensus on the 16 patches of one made-up city, none of which overlap; made once for a file."""
    from tests import given  # only once Django is set up

    project = given.project()
    return given.consensus(project, [given.city(project)])
