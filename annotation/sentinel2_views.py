"""Pictures from Sentinel-2 that several questions show: one picture, one name, declared once."""

from annotation.question import ShownView

TRUE_COLOUR = ShownView(
    modality="sentinel2",
    view="true_colour",
    title="True colour",
    has_seasons=True,
    channels=("B4", "B3", "B2"),
    high=(0.30, 0.30, 0.30),
    help="Red, green and blue as the eye sees them.",
)
FALSE_COLOUR = ShownView(
    modality="sentinel2",
    view="false_colour",
    title="False colour",
    has_seasons=True,
    channels=("B8", "B4", "B3"),
    high=(0.50, 0.30, 0.30),
    help="Near infrared as red: plants are red, water is black, built surfaces are grey to cyan.",
)
