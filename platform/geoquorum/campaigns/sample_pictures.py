"""What a sample looks like on pages that show it after the vote: pictures from above, photos, words of posts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from annotation.question import ShownView
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.services.shown import list_views
from geoquorum.catalog.content import describe_samples
from geoquorum.catalog.dates import list_dates
from geoquorum.catalog.models import Sample
from geoquorum.catalog.sites import list_sites

LONGEST_WORDS = 90  # of a post in a list


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One view of one sample at one date."""

    title: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Thumb:
    """A sample in a list: one picture, or the first words of a post. Pictures from above are of few, large pixels."""

    picture: str = ""
    words: str = ""
    is_from_above: bool = False


def list_thumbs(campaign: Campaign, samples: Sequence[Sample]) -> dict[int, Thumb]:
    """One for each sample by its id: the photo of a street view, words and picture of a post, else the first view."""
    content = describe_samples(samples)
    return {sample.pk: _make_thumb(campaign, sample, content[sample.pk]) for sample in samples}


def _make_thumb(campaign: Campaign, sample: Sample, told: dict[str, Any]) -> Thumb:
    if sample.kind == Sample.Kind.POST:
        words = _("This post was erased.") if told["is_erased"] else Truncator(told["text"]).chars(LONGEST_WORDS)
        return Thumb(picture=told["image"] or "", words=words)
    if sample.kind == Sample.Kind.STREET_VIEW:
        return Thumb(picture=told["photo"] or "")
    return Thumb(picture=first_picture(campaign, sample), is_from_above=True)


def describe_content(sample: Sample) -> dict[str, Any]:
    """What the sample is beside pictures from above: a photo with its heading in words, a post; {} for patches."""
    told = describe_samples([sample])[sample.pk]
    return told | {"heading": say_heading(told["heading_deg"], told["field_of_view_deg"])} if "photo" in told else told


def say_heading(heading_deg: float | None, wide_deg: float | None) -> str:
    """Where a photo looks, in words of the compass and in degrees."""
    if heading_deg is None:
        return _("Heading unknown")
    winds = (
        _("north"), _("north-east"), _("east"), _("south-east"),
        _("south"), _("south-west"), _("west"), _("north-west"),
    )  # fmt: skip
    wind = winds[round(heading_deg / 45) % 8]
    if wide_deg is None:
        return _("Looks %(wind)s (%(degrees).0f°)") % {"wind": wind, "degrees": heading_deg}
    said = {"wind": wind, "degrees": heading_deg, "wide": wide_deg}
    return _("Looks %(wind)s (%(degrees).0f°), %(wide).0f° wide") % said


def first_picture(campaign: Campaign, sample: Sample) -> str:
    """The address of the view that voters saw first; empty where the sample has no place."""
    views = list_views(campaign) if sample.cell and sample.region_id else ()
    return reverse("catalog:picture", args=[sample.pk, views[0].modality, views[0].view]) if views else ""


def list_pictures(campaign: Campaign, sample: Sample) -> list[Picture]:
    """Every view of what the sample's region holds, each date of a view that has dates."""
    if not sample.cell or not sample.region_id:
        return []
    region = sample.region_id
    seasons = list_dates([region]).get(region, {}) | {name: [""] for name in list_sites([region]).get(region, ())}
    return [
        Picture(
            title=f"{view.modality} {view.view} {season}".replace("_", " ").strip(), url=_address(sample, view, season)
        )
        for view in list_views(campaign)
        for season in _list_dates(view, seasons.get(view.modality, []))
    ]


def _list_dates(view: ShownView, seasons: list[str]) -> list[str]:
    """Every season of a view that is shown by season; of others the newest scene, if there is one."""
    return list(dict.fromkeys(seasons)) if view.has_seasons else [""] * bool(seasons)


def _address(sample: Sample, view: ShownView, season: str) -> str:
    address = reverse("catalog:picture", args=[sample.pk, view.modality, view.view])
    return f"{address}?season={season}" if season else address
