"""Which Local Climate Zone is this patch?"""

from annotation.question import Question, ShownView
from annotation.sentinel2_views import FALSE_COLOUR, TRUE_COLOUR

QUESTION = Question(
    name="lcz_patch",
    title="Which Local Climate Zone is this?",
    version=1,
    sample_kind="patch",
    scheme="lcz17",
    views=(
        TRUE_COLOUR,
        FALSE_COLOUR,
        ShownView(
            modality="sentinel2",
            view="swir",
            title="Short-wave infrared",
            has_seasons=True,
            channels=("B12", "B8A", "B4"),
            high=(0.45, 0.50, 0.30),
            help="Bare soil and dry roofs are pink to orange, plants are green, water is black.",
        ),
        ShownView(
            modality="sentinel1",
            view="radar",
            title="Radar",
            channels=("vv_lee", "vh_lee", "vv_lee/vh_lee"),
            low=(-20.0, -26.0, 0.0),
            high=(3.0, -3.0, 15.0),
            help="VV, VH and their ratio in dB: buildings are bright, forest is green, water is dark or blue.",
        ),
    ),
    help=(
        "Judge the framed cell of 320 m by what fills most of it; its neighbours are there to help, not to be counted. "
        "Built or not first, then how close the buildings stand, then how high they are."
    ),
    context_cells=3,
)
