"""Which class of a scheme is this patch? The campaign chooses the scheme."""

from annotation.question import Question

QUESTION = Question(
    name="patch_classes",
    title="Which class is this?",
    version=1,
    sample_kind="patch",
    scheme=None,
    help="Name the class that fills most of the framed patch.",
)
