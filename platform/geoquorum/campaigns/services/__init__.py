"""What can be done with campaigns: run one, claim samples, vote, import votes, make a consensus."""

from geoquorum.campaigns.services.ballots import Ballot, Receipt
from geoquorum.campaigns.services.claims import claim, release_expired
from geoquorum.campaigns.services.consensus import METHODS, list_methods, refit, settle, start_consensus, summarise
from geoquorum.campaigns.services.declaring import refuse_if_question_changed, scheme_of
from geoquorum.campaigns.services.imports import import_votes, tabulate_panel
from geoquorum.campaigns.services.lifecycle import (
    add_round,
    close_campaign,
    create_campaign,
    current_round,
    open_campaign,
)
from geoquorum.campaigns.services.progress import (
    OwnProgress,
    Progress,
    count_own,
    count_progress,
    list_history,
)
from geoquorum.campaigns.services.refitting import refit_model, start_refits
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.campaigns.services.reviewing import create_review, propose, read_proposals
from geoquorum.campaigns.services.sealing import seal_all, seal_campaign, seal_votes
from geoquorum.campaigns.services.sessions import (
    end_session,
    find_session,
    pause_session,
    resume_session,
    start_session,
)
from geoquorum.campaigns.services.tables import latest_votes
from geoquorum.campaigns.services.unblinding import list_unblindings, unblind_campaign
from geoquorum.campaigns.services.verification import Verdict, verify_seals
from geoquorum.campaigns.services.voting import cast_vote

__all__ = [
    "METHODS",
    "Ballot",
    "OwnProgress",
    "Progress",
    "Receipt",
    "RefusedError",
    "Verdict",
    "add_round",
    "cast_vote",
    "claim",
    "close_campaign",
    "count_own",
    "count_progress",
    "create_campaign",
    "create_review",
    "current_round",
    "end_session",
    "find_session",
    "import_votes",
    "latest_votes",
    "list_history",
    "list_methods",
    "list_unblindings",
    "open_campaign",
    "pause_session",
    "propose",
    "read_proposals",
    "refit",
    "refit_model",
    "refuse_if_question_changed",
    "release_expired",
    "resume_session",
    "scheme_of",
    "seal_all",
    "seal_campaign",
    "seal_votes",
    "settle",
    "start_consensus",
    "start_refits",
    "start_session",
    "summarise",
    "tabulate_panel",
    "unblind_campaign",
    "verify_seals",
]
