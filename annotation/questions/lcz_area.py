"""Which Local Climate Zone is this area? Asked of training areas, whose patches take the answer."""

from dataclasses import replace

from annotation.questions.lcz_patch import QUESTION as LCZ_PATCH

QUESTION = replace(
    LCZ_PATCH,
    name="lcz_area",
    title="Which Local Climate Zone is this area?",
    version=2,
    sample_kind="area",
    help=(
        "The outline is an area that somebody drew; the ground around it is there to help, not to be counted. Judge by "
        "what fills most of the area. Each patch cut from it, faintly marked inside, takes this answer, so skip an "
        "area that holds two classes."
    ),
)
