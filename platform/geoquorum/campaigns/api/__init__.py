"""Campaigns for programs: what is asked, the samples, votes, and consensus after the close. One router per noun."""

from geoquorum.campaigns.api import bulk, campaigns, claims, consensus, samples, votes

ROUTERS = {
    "campaigns": campaigns.router,
    "samples": samples.router,
    "claims": claims.router,
    "votes": votes.router,
    "bulk": bulk.router,
    "consensus": consensus.router,
}
