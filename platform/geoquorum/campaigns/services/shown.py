"""Which pictures an expert sees: the question's own choice, else every view of what the campaign's regions hold."""

from annotation import question as questions
from annotation.question import ShownView
from fusion import modality as modalities
from geoquorum.campaigns.models import Campaign
from geoquorum.catalog.models import Scene


def list_views(campaign: Campaign) -> tuple[ShownView, ...]:
    """In the question's order; else by modality's name, each modality's views as it declares them."""
    question = questions.find(campaign.question)
    return question.views or tuple(
        ShownView(modality=name, view=view.name, has_seasons=True)
        for name in _list_modalities(campaign)
        for view in modalities.find(name).views
    )


def _list_modalities(campaign: Campaign) -> list[str]:
    regions = campaign.rounds.values("round_samples__sample__region")
    return sorted(set(Scene.objects.filter(region__in=regions).values_list("modality", flat=True)))
