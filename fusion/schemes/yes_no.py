"""Yes or no: the answer to a claim about a sample."""

from fusion.scheme import LabelClass, Scheme

SCHEME = Scheme(
    name="yes_no",
    title="Yes or no",
    version=1,
    classes=(
        LabelClass(
            code="yes",
            name="Yes",
            colour="#1a7f5a",
            ink="#ffffff",
            key="Y",
            group="answer",
            value=1,
            help="What is said of the sample is right.",
        ),
        LabelClass(
            code="no",
            name="No",
            colour="#a8431f",
            ink="#ffffff",
            key="N",
            group="answer",
            value=2,
            help="Something else is right.",
        ),
    ),
    source="Own; the two answers of a review.",
)
