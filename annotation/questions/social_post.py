"""Does this post speak of a building, and of what kind? Its words and picture, and the place it was sent from."""

from annotation.fields import AnswerField, FieldOption
from annotation.question import Question, ShownView, SkipReason
from annotation.sentinel2_views import TRUE_COLOUR

# ISO 639-1 codes of the languages with most speakers on line, by our own choice; keys are their first free letters.
LANGUAGES = (
    ("en", "English", "E"),
    ("de", "German", "D"),
    ("es", "Spanish", "S"),
    ("fr", "French", "F"),
    ("pt", "Portuguese", "P"),
    ("it", "Italian", "I"),
    ("ru", "Russian", "R"),
    ("tr", "Turkish", "T"),
    ("ar", "Arabic", "A"),
    ("hi", "Hindi", "H"),
    ("zh", "Chinese", "Z"),
    ("ja", "Japanese", "J"),
    ("other", "Another one", "O"),
    ("none", "No words", "N"),
)

QUESTION = Question(
    name="social_post",
    title="Is this about a building, and of what kind?",
    version=1,
    sample_kind="post",
    layout="post",
    scheme="post_building_function",
    views=(
        TRUE_COLOUR,
        ShownView(
            modality="sentinel2",
            view="surfaces",
            title="Built, plants, water",
            has_seasons=True,
            channels=("(B11-B8)/(B11+B8)", "(B8-B4)/(B8+B4)", "(B3-B8)/(B3+B8)"),
            low=(-0.4, 0.0, -0.4),
            high=(0.2, 0.9, 0.5),
            help="Three indices: built or bare ground is red, plants are green, water is blue.",
        ),
    ),
    fields=(
        AnswerField(
            name="language",
            title="Language",
            kind="choice",
            key="G",
            options=tuple(FieldOption(code=code, name=name, key=key) for code, name, key in LANGUAGES),
            help="The language of most of the words.",
        ),
    ),
    help=(
        "A post is relevant where its words or its picture tell what the building at its place is used for. Judge the "
        "post, not the satellite picture: that is there to help. Names and addresses of people were taken out."
    ),
    skip_reasons=(
        SkipReason(key="1", title="I do not read this language"),
        SkipReason(key="2", title="Words are broken or cut off"),
        SkipReason(key="3", title="About several buildings"),
        SkipReason(key="4", title="Names a person: should not be here"),
        SkipReason(key="5", title="No class fits"),
        SkipReason(key="6", title="Cannot tell"),
        SkipReason(key="0", title="Other", needs_text=True),
    ),
    context_cells=3,
)
