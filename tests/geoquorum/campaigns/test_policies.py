"""A policy that could never settle or never end is refused when the campaign is made."""

from typing import Any

import pytest

from geoquorum.accounts.models import Role
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.policy_words import describe_policy
from geoquorum.campaigns.services.policies import check_policy
from tests import given

ADAPTIVE = {"kind": "adaptive", "minimum": 2, "maximum": 10, "settle_at": 0.95}
QUALIFICATION = {"threshold": 0.7, "samples": 34, "tries": 3}


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"kind": "fixed", "order": "least_voted"},
        ADAPTIVE,
        ADAPTIVE | {"gold_share": 0.05, "repeat_share": 0.05},
        {"qualification": QUALIFICATION},
    ],
)
def test_good_policies_pass(policy: dict[str, Any]) -> None:
    check_policy(policy, 10)


@pytest.mark.parametrize(
    ("policy", "match"),
    [
        ({"king": "fixed"}, "unknown keys king"),
        ({"kind": "all"}, "kind is one of"),
        ({"order": "hardest"}, "order one of"),
        (ADAPTIVE | {"minimum": 11}, "minimum <= maximum"),
        (ADAPTIVE | {"minimum": 0}, "minimum <= maximum"),
        (ADAPTIVE | {"maximum": 5}, "maximum = 10"),
        (ADAPTIVE | {"settle_at": 1}, "settle_at"),
        (ADAPTIVE | {"settle_at": "0.9"}, "must be a number"),
        ({"gold_share": 0.5}, "gold_share"),
        ({"repeat_share": -0.1}, "repeat_share"),
        ({"qualification": {"threshold": 0.7}}, "needs threshold, samples and tries"),
        ({"qualification": QUALIFICATION | {"tries": 4}}, "1 to 3 tries"),
        ({"qualification": QUALIFICATION | {"threshold": 0}}, "threshold above 0"),
    ],
)
def test_policies_that_cannot_be_are_refused_by_name(policy: dict[str, Any], match: str) -> None:
    with pytest.raises(services.RefusedError, match=match):
        check_policy(policy, 10)


@pytest.mark.django_db
def test_a_campaign_with_such_a_policy_is_not_made() -> None:
    with pytest.raises(services.RefusedError):
        given.campaign(given.project(), policy=ADAPTIVE, quota=5)
    assert not Campaign.objects.exists()


@pytest.mark.django_db
def test_the_form_makes_an_adaptive_policy_and_the_page_says_what_its_order_can_reveal(client: Any) -> None:
    project = given.project()
    region = given.region(project)
    given.sample(project, region)
    client.force_login(given.member(project, Role.CURATOR))
    asked = {"name": "Zones", "question": "lcz_patch", "scheme": "lcz17", "regions": region.pk, "quota": 8}
    asked |= {"kind": "adaptive", "minimum": 3, "settle_at": 0.97, "gold_share": 0.05, "threshold": 0.6}
    client.post(f"/campaigns/new/?project={project.slug}", asked)
    campaign = Campaign.objects.get()
    assert campaign.policy == {
        "kind": "adaptive",
        "order": "random",
        "minimum": 3,
        "maximum": 8,
        "settle_at": 0.97,
        "gold_share": 0.05,
        "qualification": {"threshold": 0.6, "samples": 34, "tries": 3},
    }
    page = client.get(f"/campaigns/{campaign.pk}/").content.decode()
    services.open_campaign(campaign=campaign, by=None)
    page = client.get(f"/campaigns/{campaign.pk}/").content.decode()
    assert "What the order can reveal" in page
    assert "3 to 8 votes" in page


@pytest.mark.django_db
def test_a_form_with_more_votes_at_least_than_at_most_says_so(client: Any) -> None:
    project = given.project()
    region = given.region(project)
    given.sample(project, region)
    client.force_login(given.member(project, Role.CURATOR))
    asked = {"name": "Zones", "question": "lcz_patch", "scheme": "lcz17", "regions": region.pk, "quota": 3}
    page = client.post(f"/campaigns/new/?project={project.slug}", asked | {"kind": "adaptive", "minimum": 4})
    assert "cannot be more than the most" in page.content.decode()
    assert not Campaign.objects.exists()


@pytest.mark.django_db
def test_a_fixed_campaign_says_that_its_order_tells_nothing() -> None:
    campaign = given.campaign(given.project())
    words = " ".join(describe_policy(campaign, services.current_round(campaign=campaign)))
    assert "tells nothing about the others" in words
    assert "reveal" not in words
