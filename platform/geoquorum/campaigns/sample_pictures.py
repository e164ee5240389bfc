"""Addresses of the pictures of a sample, for pages that look at it after the vote."""

from dataclasses import dataclass

from django.urls import reverse

from annotation.question import ShownView
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.services.shown import list_views
from geoquorum.catalog.models import Sample, Scene


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One view of one sample at one date."""

    title: str
    url: str


def first_picture(campaign: Campaign, sample: Sample) -> str:
    """The address of the view that voters saw first; empty where the sample has no place."""
    views = list_views(campaign) if sample.cell and sample.region_id else ()
    return reverse("catalog:picture", args=[sample.pk, views[0].modality, views[0].view]) if views else ""


def list_pictures(campaign: Campaign, sample: Sample) -> list[Picture]:
    """Every view of what the sample's region holds, each date of a view that has dates."""
    if not sample.cell or not sample.region_id:
        return []
    seasons: dict[str, list[str]] = {}
    scenes = Scene.objects.filter(region=sample.region_id).order_by("pk")
    for modality, season in scenes.values_list("modality", "season"):
        seasons.setdefault(modality, []).append(season)
    return [
        Picture(
            title=f"{view.modality} {view.view} {season}".replace("_", " ").strip(), url=_address(sample, view, season)
        )
        for view in list_views(campaign)
        for season in _list_dates(view, seasons.get(view.modality, []))
    ]


def _name(view: ShownView, season: str) -> str:
    return f"{view.modality} {view.view} {season}".replace("_", " ").strip()


def _list_dates(view: ShownView, seasons: list[str]) -> list[str]:
    """Every season of a view that is shown by season; of others the newest scene, if there is one."""
    return list(dict.fromkeys(seasons)) if view.has_seasons else [""] * bool(seasons)


def _address(sample: Sample, view: ShownView, season: str) -> str:
    address = reverse("catalog:picture", args=[sample.pk, view.modality, view.view])
    return f"{address}?season={season}" if season else address
