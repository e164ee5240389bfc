"""The closed list of protocols: what may be learned from before a system is scored."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from geoquorum.releases.models import DatasetVersion
from geoquorum.training.models import Protocol

SENTENCES: Mapping[str, str | Promise] = MappingProxyType(
    {
        Protocol.UNSEEN_CITIES: _(
            "Trained on the training cities alone, tested on cities that were not among them; validation samples may "
            "choose a checkpoint and are never trained on. So2Sat LCZ42: 42 cities train, ten unseen ones test "
            "(Zhu et al. 2020)."
        ),
        Protocol.SAME_CITIES: _(
            "Tested on other places of the cities that were trained on, split by block or at random: easier than "
            "unseen cities, and no forecast of what a system does in one."
        ),
        Protocol.CONTEST: _(
            "Validation cities may be trained on as well, and the test patches without their labels may be used "
            "(transductive). So did the Tianchi contest of 2018, whose 0.893 is no result on unseen cities."
        ),
    }
)
WHOLE_CITIES = ("city", "culture_zone")  # designs of versions whose test cities have no sample that trains


def find_protocol(version: DatasetVersion) -> Protocol:
    """What the splits of a version are, by its design; an unknown design is taken as the easier one."""
    is_unseen = version.design.get("kind") in WHOLE_CITIES
    return Protocol.UNSEEN_CITIES if is_unseen else Protocol.SAME_CITIES
