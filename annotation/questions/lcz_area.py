"""Which Local Climate Zone is this area? Asked of training areas, whose patches take the answer."""

from dataclasses import replace

from annotation.questions.lcz_patch import QUESTION as LCZ_PATCH

QUESTION = replace(
    LCZ_PATCH,
    name="lcz_area",
    title="Which Local Climate Zone is this area?",
    version=1,
    sample_kind="area",
    help=(
        "The frame of 320 m is the middle of an area that somebody drew; its neighbours belong to it as far as it "
        "reaches. Judge by what fills most of the middle. Every patch of the area takes this answer, so skip an area "
        "that holds two classes."
    ),
)
