"""Campaigns: what is asked, who votes, what they said, and what it amounts to."""

from geoquorum.campaigns.models.asking import Campaign, CampaignState, Round, RoundSample
from geoquorum.campaigns.models.consensus import Adjudication, Consensus, ConsensusRun
from geoquorum.campaigns.models.people import Attempt, Gold, Participation, Session, Standing
from geoquorum.campaigns.models.voting import Assignment, Seal, Vote
from geoquorum.campaigns.models.words import Comment, Thread

__all__ = [
    "Adjudication",
    "Assignment",
    "Attempt",
    "Campaign",
    "CampaignState",
    "Comment",
    "Consensus",
    "ConsensusRun",
    "Gold",
    "Participation",
    "Round",
    "RoundSample",
    "Seal",
    "Session",
    "Standing",
    "Thread",
    "Vote",
]
