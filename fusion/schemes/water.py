"""Water or dry ground: two classes for flood maps and water masks."""

from fusion.scheme import LabelClass, Scheme

SCHEME = Scheme(
    name="water",
    title="Water or dry",
    version=1,
    classes=(
        LabelClass(
            code="water",
            name="Water",
            colour="#1f6fd6",
            ink="#ffffff",
            key="W",
            group="water",
            value=1,
            help="More than half of the patch is open or flood water: dark and smooth in radar and in near infrared.",
            confused_with=("dry",),
        ),
        LabelClass(
            code="dry",
            name="Dry",
            colour="#d8c08a",
            ink="#000000",
            key="D",
            group="dry",
            value=2,
            help="Land, plants or buildings fill at least half of the patch.",
            confused_with=("water",),
        ),
    ),
    source="Own; the two answers of a hand-drawn flood label.",
)
