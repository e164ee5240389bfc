"""What an expert is asked: what is shown, which answers there are, and what an answer may look like."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from annotation import fields
from annotation.fields import AnswerField
from fusion import modality as modalities
from fusion import registry
from fusion.errors import BadInputError, UnknownKindError
from fusion.modality import View
from fusion.scheme import Scheme
from fusion.spectrum import UNNAMED

SampleKind = Literal["patch", "area", "street_view", "post", "clip"]
Layout = Literal["patch", "photo", "post", "review"]

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
    """One picture on the vote page, with a switch between the dates where there are several.

    `channels` are three band expressions, each stretched from `low` to `high`; without them `view` names one of the
    modality's own views. Of one modality, two questions that give a view one name mean the same picture.
    """

    modality: str
    view: str
    has_seasons: bool = False
    title: str = ""
    channels: tuple[str, str, str] | None = None
    low: tuple[float, float, float] = (0.0, 0.0, 0.0)
    high: tuple[float, float, float] = (1.0, 1.0, 1.0)
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an expert says: a code (perhaps with a second choice, perhaps unsure), or why not.

    `extra` holds what the question's further fields ask for, by the field's name.
    """

    code: str = ""
    second: str = ""
    is_sure: bool = True
    skip_reason: str = ""
    note: str = ""
    extra: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question put to experts. `scheme` is a name, or None where the campaign chooses one.

    Without `views` every view of what the sample holds is shown. `prefetch` samples are loaded ahead. `layout` names
    the vote page's stage. `prompt_scheme` is the scheme whose code each sample is asked about ("is this LCZ 3?").
    `moved_keys` are (key, other key): the command on the first lies on the second here, and a class may have the first.
    """

    name: str
    title: str
    version: int
    sample_kind: SampleKind
    scheme: str | None
    views: tuple[ShownView, ...] = ()
    layout: Layout = "patch"
    answer_kind: Literal["class"] = "class"
    fields: tuple[AnswerField, ...] = ()
    prompt_scheme: str | None = None
    help: str = ""
    skip_reasons: tuple[SkipReason, ...] = SKIP_REASONS
    has_second_choice: bool = True
    moved_keys: tuple[tuple[str, str], ...] = ()
    prefetch: int = 5
    context_cells: int = 1

    def command_keys(self) -> dict[str, str]:
        """What each key of the page does here, but for the keys of the classes."""
        moved = dict(self.moved_keys)
        commands = {moved.get(key, key): command for key, command in COMMAND_KEYS.items()}
        return commands | {field.key: field.name for field in self.fields}

    def keys(self, scheme: Scheme) -> dict[str, str]:
        """Class code by key; raises BadInputError where two classes or a command share a key."""
        table: dict[str, str] = {}
        commands = self.command_keys()
        for label in scheme.classes:
            key = label.key.upper()
            if other := table.get(key) or commands.get(key):
                raise BadInputError(f"Scheme {scheme.name!r}: key {key!r} of {label.code!r} is taken by {other!r}.")
            table[key] = label.code
        return table

    def declared(self) -> dict[str, Any]:
        """Everything that gives an answer its meaning, ready for JSON."""
        return dict(json.loads(json.dumps(asdict(self))))


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
    return fields.check_extra(question.name, question.fields, answer.extra or {})


def _check_skip(question: Question, answer: Answer) -> str | None:
    reasons = {reason.key: reason for reason in question.skip_reasons}
    if answer.skip_reason not in reasons:
        return f"{answer.skip_reason!r} is not a reason to skip; the reasons are {', '.join(reasons)}."
    if answer.code or answer.second or answer.extra:
        return "A skipped sample has no class; send either a class or a reason to skip."
    if reasons[answer.skip_reason].needs_text and not answer.note.strip():
        return f"Say in a note why the sample is skipped; reason {answer.skip_reason} needs words."
    return None


def view_of(shown: ShownView) -> View:
    """The picture that is meant: the question's own expressions, or the modality's view of that name."""
    if shown.channels is None:
        return _find_own_view(shown.modality, shown.view)
    return View(
        name=shown.view,
        title=shown.title or shown.view,
        channels=shown.channels,
        low=shown.low,
        high=shown.high,
        help=shown.help,
    )


def find_view(modality_name: str, view: str) -> View:
    """The view of this name: one of the modality's own, or one that a question declares of it."""
    declared = modalities.find(modality_name)
    if view in {one.name for one in declared.views} or (declared.has_own_bands and view == UNNAMED.name):
        return _find_own_view(modality_name, view)
    own = {
        shown.view: shown
        for question in load_all().values()
        for shown in question.views
        if shown.modality == modality_name and shown.channels is not None
    }
    if view not in own:
        known = ", ".join([*(one.name for one in declared.views), *own]) or "none"
        raise UnknownKindError(f"Modality {modality_name!r} has no view {view!r}. Known: {known}.")
    return view_of(own[view])


def _find_own_view(modality_name: str, view: str) -> View:
    """A view that the modality declares; of one whose bands are those of each file, also three of them."""
    declared = modalities.find(modality_name)
    return UNNAMED if declared.has_own_bands and view == UNNAMED.name else modalities.find_view(declared, view)


def find(name: str) -> Question:
    """The question called `name`."""
    return registry.find_kind("annotation.questions", name, "QUESTION", Question)


def load_all() -> dict[str, Question]:
    """Every question by name."""
    return registry.load_kinds("annotation.questions", "QUESTION", Question)
