"""Is this patch what it is said to be? One class is proposed for each sample; yes or no, also by swiping."""

from annotation.question import Question, ShownView, SkipReason

QUESTION = Question(
    name="yes_no_review",
    title="Is it what it is said to be?",
    version=1,
    sample_kind="patch",
    layout="review",
    scheme="yes_no",
    prompt_scheme="lcz17",
    views=(
        ShownView(
            modality="sentinel2",
            view="true_colour",
            title="True colour",
            has_seasons=True,
            channels=("B4", "B3", "B2"),
            high=(0.30, 0.30, 0.30),
            help="Red, green and blue as the eye sees them.",
        ),
        ShownView(
            modality="sentinel2",
            view="false_colour",
            title="False colour",
            has_seasons=True,
            channels=("B8", "B4", "B3"),
            high=(0.50, 0.30, 0.30),
            help="Near infrared as red: plants are red, water is black, built surfaces are grey to cyan.",
        ),
    ),
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
