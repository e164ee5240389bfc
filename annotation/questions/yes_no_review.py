"""Is this patch what it is said to be? One class is proposed for each sample; yes or no, also by swiping."""

from annotation.question import Question, SkipReason
from annotation.sentinel2_views import FALSE_COLOUR, TRUE_COLOUR

QUESTION = Question(
    name="yes_no_review",
    title="Is it what it is said to be?",
    version=1,
    sample_kind="patch",
    layout="review",
    scheme="yes_no",
    prompt_scheme="lcz17",
    views=(TRUE_COLOUR, FALSE_COLOUR),
    help="Yes where the proposed class fills most of the framed cell; no where another one does.",
    skip_reasons=(
        SkipReason(key="1", title="Cannot tell"),
        SkipReason(key="2", title="Cloud, haze or broken data"),
        SkipReason(key="3", title="Mixed, no class dominates"),
        SkipReason(key="0", title="Other", needs_text=True),
    ),
    has_second_choice=False,
    moved_keys=(("N", "W"),),
    context_cells=3,
)
