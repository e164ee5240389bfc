"""What an expert is asked: what is shown, which answers there are, and what an answer may look like."""

from dataclasses import dataclass
from typing import Literal

from fusion import registry
from fusion.errors import BadInputError
from fusion.scheme import Scheme

SampleKind = Literal["patch", "area", "street_view", "post", "clip"]

# Keys of the vote page that no class may take (formats-and-ux, keyboard specification).
COMMAND_KEYS = {
    "H": "help",
    "I": "spectrum",
    "K": "second choice",
    "L": "discussion",
    "M": "map",
    "N": "note",
    "P": "pause",
    "R": "reference cards",
    "S": "skip",
    "T": "date",
    "V": "view",
    "X": "reset display",
}


@dataclass(frozen=True, kw_only=True)
class SkipReason:
    """Why a sample gets no answer; typed after `S`."""

    key: str
    title: str
    needs_text: bool = False


SKIP_REASONS = (
    SkipReason(key="1", title="Cloud or haze"),
    SkipReason(key="2", title="Missing or broken data"),
    SkipReason(key="3", title="Mixed, no class dominates"),
    SkipReason(key="4", title="Changed between the dates"),
    SkipReason(key="5", title="No class fits"),
    SkipReason(key="6", title="Cannot tell at this resolution"),
    SkipReason(key="0", title="Other", needs_text=True),
)


@dataclass(frozen=True, kw_only=True)
class ShownView:
    """One picture on the vote page: a view of a modality, with a switch between the dates where there are several."""

    modality: str
    view: str
    has_seasons: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an expert says: a code (perhaps with a second choice, perhaps unsure), or why not."""

    code: str = ""
    second: str = ""
    is_sure: bool = True
    skip_reason: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question put to experts. `scheme` is a name, or None where the campaign chooses one.

    Without `views` every view of what the sample holds is shown. `prefetch` samples are loaded ahead.
    """

    name: str
    title: str
    version: int
    sample_kind: SampleKind
    scheme: str | None
    views: tuple[ShownView, ...] = ()
    answer_kind: Literal["class"] = "class"
    help: str = ""
    skip_reasons: tuple[SkipReason, ...] = SKIP_REASONS
    has_second_choice: bool = True
    prefetch: int = 5
    context_cells: int = 1

    def keys(self, scheme: Scheme) -> dict[str, str]:
        """Class code by key; raises BadInputError where two classes or a command share a key."""
        table: dict[str, str] = {}
        for label in scheme.classes:
            key = label.key.upper()
            if other := table.get(key) or COMMAND_KEYS.get(key):
                raise BadInputError(f"Scheme {scheme.name!r}: key {key!r} of {label.code!r} is taken by {other!r}.")
            table[key] = label.code
        return table


def check_answer(question: Question, scheme: Scheme, answer: Answer) -> str | None:
    """Why an answer is refused, in one sentence; None where it is good."""
    if answer.skip_reason:
        return _check_skip(question, answer)
    if not answer.code:
        return "Choose a class, or skip the sample with a reason."
    for code in (answer.code, answer.second):
        if code and code not in scheme:
            return f"{code!r} is not a code of scheme {scheme.name!r}; its codes are {', '.join(scheme.codes)}."
    if answer.second and not question.has_second_choice:
        return f"Question {question.name!r} takes no second choice."
    if answer.second == answer.code:
        return "The second choice must differ from the first."
    return None


def _check_skip(question: Question, answer: Answer) -> str | None:
    reasons = {reason.key: reason for reason in question.skip_reasons}
    if answer.skip_reason not in reasons:
        return f"{answer.skip_reason!r} is not a reason to skip; the reasons are {', '.join(reasons)}."
    if answer.code or answer.second:
        return "A skipped sample has no class; send either a class or a reason to skip."
    if reasons[answer.skip_reason].needs_text and not answer.note.strip():
        return f"Say in a note why the sample is skipped; reason {answer.skip_reason} needs words."
    return None


def find(name: str) -> Question:
    """The question called `name`."""
    return registry.find_kind("annotation.questions", name, "QUESTION", Question)


def load_all() -> dict[str, Question]:
    """Every question by name."""
    return registry.load_kinds("annotation.questions", "QUESTION", Question)
