"""Which Local Climate Zone is this patch?"""

from annotation.question import Question, ShownView

QUESTION = Question(
    name="lcz_patch",
    title="Which Local Climate Zone is this?",
    version=1,
    sample_kind="patch",
    scheme="lcz17",
    views=(
        ShownView(modality="sentinel2", view="true_colour", has_seasons=True),
        ShownView(modality="sentinel2", view="false_colour", has_seasons=True),
        ShownView(modality="sentinel2", view="swir", has_seasons=True),
        ShownView(modality="sentinel1", view="radar"),
    ),
    help=(
        "Judge the framed cell of 320 m by what fills most of it; its neighbours are there to help, not to be counted. "
        "Built or not first, then how close the buildings stand, then how high they are."
    ),
    context_cells=3,
)
