"""Which pictures an expert sees: the question's own choice, else every view of what the campaign's regions hold."""

from django.db.models import QuerySet

from annotation import question as questions
from annotation.question import ShownView
from fusion import modality as modalities
from geoquorum.campaigns.models import Campaign
from geoquorum.catalog.models import Region, Scene
from geoquorum.catalog.pixels import declare, list_bands
from geoquorum.catalog.sites import list_sites


def list_views(campaign: Campaign) -> tuple[ShownView, ...]:
    """In the question's order; else by modality's name, each modality's views in the order of its declaration."""
    question = questions.find(campaign.question)
    if question.views:
        return question.views
    regions = Region.objects.filter(pk__in=campaign.rounds.values("round_samples__sample__region"))
    found = {name: (views, True) for name, views in _list_scene_views(regions).items()}
    for names in list_sites(regions).values():
        found |= {name: ([view.name for view in modalities.find(name).views], False) for name in names}
    return tuple(
        ShownView(modality=name, view=view, has_seasons=is_dated)
        for name, (views, is_dated) in sorted(found.items())
        for view in views
    )


def _list_scene_views(regions: QuerySet[Region]) -> dict[str, list[str]]:
    """Views by modality for which some scene has the bands; of cubes, those that their wavelengths allow."""
    found: dict[str, dict[str, int]] = {}
    for scene in Scene.objects.filter(region__in=regions).prefetch_related("assets").order_by("modality", "pk"):
        own = [view.name for view in modalities.find(scene.modality).views]
        for name in _list_drawn(scene):
            found.setdefault(scene.modality, {})[name] = own.index(name) if name in own else len(own)
    return {name: sorted(views, key=views.__getitem__) for name, views in found.items()}


def _list_drawn(scene: Scene) -> list[str]:
    """Views that the scene's files have the bands for; every view of a scene whose files are not there yet."""
    if not scene.assets.all():
        return [view.name for view in modalities.find(scene.modality).views]
    there = set(list_bands(scene))
    return [view.name for view in declare(scene).views if set(modalities.list_bands(view)) <= there]
