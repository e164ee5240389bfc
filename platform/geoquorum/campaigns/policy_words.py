"""A campaign's policy in words, for its page: how many votes, in which order, what the order can reveal."""

from django.utils.translation import gettext as _

from geoquorum.campaigns.models import Campaign, Round


def describe_policy(campaign: Campaign, round: Round) -> list[str]:
    """Sentences for everybody: nothing in them depends on a vote."""
    policy = campaign.policy
    said = [*_count_votes(policy, round.quota), _order(policy)]
    if tried := policy.get("qualification"):
        said.append(
            _("Votes count after a qualification: %(share)s %% or more on %(samples)s known samples, %(tries)s tries.")
            % {
                "share": f"{100 * tried['threshold']:.0f}",
                "samples": tried["samples"],
                "tries": tried["tries"],
            }
        )
    if policy.get("gold_share") or policy.get("repeat_share"):
        said.append(_("Some samples serve to measure the experts: known ones, and ones that come a second time."))
    return said


def _count_votes(policy: dict[str, object], quota: int) -> list[str]:
    if policy.get("kind") != "adaptive":
        return [_("Each sample gets %(quota)s votes by different experts.") % {"quota": quota}]
    return [
        _(
            "Adaptive: each sample gets %(least)s to %(most)s votes; it is settled when its likeliest class passes "
            "%(share)s %%, and disputed when it has all its votes without that."
        )
        % {"least": policy["minimum"], "most": quota, "share": f"{100 * float(str(policy['settle_at'])):g}"},
        _(
            "What the order can reveal: a sample is still asked about only while the votes so far leave it open. Who "
            "votes late sees more of the hard samples, and may guess that others did not agree, though never on what. "
            "Within the samples handed out at once the order says nothing."
        ),
    ]


def _order(policy: dict[str, object]) -> str:
    if policy.get("kind") == "adaptive":
        return _("Who is asked what: the samples on which this expert's vote is expected to tell most.")
    if policy.get("order") == "least_voted":
        return _("Order: least voted first. This tells an expert how many votes the others gave, never which.")
    return _("Order: random, drawn anew for each expert; it tells nothing about the others.")
