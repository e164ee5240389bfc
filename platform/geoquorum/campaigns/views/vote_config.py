"""What the vote page is told at its start: addresses, the question, the classes, and the person's own choices."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.urls import reverse

from annotation import question as questions
from annotation.question import Question
from geoquorum.accounts.models import Expert
from geoquorum.accounts.preferences import read_preferences
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.services.shown import list_views

INTERFACE_VERSION = "4"  # counts up when the page shows or asks differently; every vote names it
ASKED = ("name", "title", "help", "layout", "moved_keys", "prefetch", "context_cells", "has_second_choice")
TOLD = ("code", "sign", "name", "colour", "ink", "key", "group", "help", "aerial", "ground", "confused_with")


def configure(campaign: Campaign, expert: Expert, own: dict[str, int]) -> dict[str, Any]:
    """The JSON block `vote-config`; its shape is described in `views.voting`."""
    question, scheme = questions.find(campaign.question), services.scheme_of(campaign)
    return {
        "campaign": campaign.pk,
        "name": campaign.name,
        "is_simulated": campaign.is_simulated or campaign.project.is_simulated,
        "interface_version": INTERFACE_VERSION,
        "urls": _urls(campaign),
        "question": _ask(question) | {"views": [asdict(view) for view in list_views(campaign)]},
        "scheme": {
            "name": scheme.name,
            "classes": [{name: getattr(label, name) for name in TOLD} for label in scheme.classes],
        },
        "own": own,
        "person": expert.user_id,
        "basemap": {"url": settings.BASEMAP_TILES_URL, "attribution": settings.BASEMAP_ATTRIBUTION},
        "preferences": read_preferences(expert.user_id),
    }


def _ask(question: Question) -> dict[str, Any]:
    return {name: getattr(question, name) for name in ASKED} | {
        "fields": [asdict(field) for field in question.fields],
        "skip_reasons": [asdict(reason) for reason in question.skip_reasons],
    }


def _urls(campaign: Campaign) -> dict[str, str]:
    urls = {name: reverse(f"campaigns:{name}", args=[campaign.pk]) for name in ("claim", "history", "session")}
    return urls | {
        "vote": reverse("campaigns:cast", args=[campaign.pk]),
        "picture": reverse("catalog:picture", args=[0, "MODALITY", "VIEW"]),
        "values": reverse("catalog:values", args=[0, "MODALITY"]),
        "done": reverse("campaigns:campaign", args=[campaign.pk]),
        "raise": reverse("campaigns:raise", args=[campaign.pk, 0]),
        "thread": reverse("campaigns:sample", args=[campaign.pk, 0]) + "#thread",
    }
