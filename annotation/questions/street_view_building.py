"""What is this building used for? A photo from the street, beside the place on a satellite picture."""

from annotation.fields import AnswerField
from annotation.question import Question, SkipReason
from annotation.sentinel2_views import TRUE_COLOUR

QUESTION = Question(
    name="street_view_building",
    title="What kind of building is this?",
    version=1,
    sample_kind="street_view",
    layout="photo",
    scheme="building_use",
    views=(TRUE_COLOUR,),
    fields=(
        AnswerField(
            name="box",
            title="Box around the building",
            kind="box",
            key="B",
            help="Where more than one building is seen: the one that is meant.",
        ),
    ),
    help=(
        "Judge the building in the middle of the photo, the one the camera was pointed at. The wedge on the map shows "
        "where the camera stood and where it looked."
    ),
    skip_reasons=(
        SkipReason(key="1", title="Taken indoors"),
        SkipReason(key="2", title="View is blocked (tree, vehicle, wall)"),
        SkipReason(key="3", title="No building"),
        SkipReason(key="4", title="Several buildings, none is meant"),
        SkipReason(key="5", title="Too dark, blurred or broken"),
        SkipReason(key="6", title="No class fits"),
        SkipReason(key="0", title="Other", needs_text=True),
    ),
    context_cells=3,
)
