"""Flags in words: what was seen, with the figures behind it."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

Flag = dict[str, Any]

ROBOT, TIRED = ("constant", "cycle", "fast", "clockwork", "unlike", "blind"), ("slower", "hasty", "inconsistent")


def describe_flag(flag: Flag) -> Flag:
    """{"title", "words"} of a stored flag: who it may be, and the evidence in one sentence."""
    title = _("robot?") if flag["kind"] in ROBOT else _("tired?")
    evidence = WORDS[flag["kind"]](flag)
    if flag["kind"] in ROBOT and flag.get("seconds") is not None:
        evidence += _(", %(seconds).1f s each") % {"seconds": flag["seconds"]}
    return {"title": title, "words": evidence}


def _constant(flag: Flag) -> str:
    return _("%(votes)s votes, %(share).0f %% class %(code)s") % {
        "votes": flag["votes"],
        "share": 100 * flag["value"],
        "code": flag["code"],
    }


def _cycle(flag: Flag) -> str:
    return _("%(votes)s votes, the same %(period)s answers in turn") % flag


def _fast(flag: Flag) -> str:
    return _("median %(value).2f s over %(votes)s votes: too fast to look") % flag


def _clockwork(flag: Flag) -> str:
    return _("time between %(votes)s votes varies by %(value).0f %% only") % (flag | {"value": 100 * flag["value"]})


def _unlike(flag: Flag) -> str:
    return _("classes of %(votes)s votes shared out quite unlike the others' (distance %(value).2f)") % flag


def _blind(flag: Flag) -> str:
    return _("%(votes)s votes agree with others on the same samples no more than by chance (kappa %(value).2f)") % flag


def _slower(flag: Flag) -> str:
    return _("%(value).1f times the own usual time per vote") % flag


def _hasty(flag: Flag) -> str:
    return _("%(value).1f times the own usual time per vote: much faster than before") % flag


def _inconsistent(flag: Flag) -> str:
    return _("%(value).0f %% of the last %(votes)s repeats answered as before; it was more") % (
        flag | {"value": 100 * flag["value"]}
    )


WORDS: dict[str, Callable[[Flag], str]] = {
    "constant": _constant,
    "cycle": _cycle,
    "fast": _fast,
    "clockwork": _clockwork,
    "unlike": _unlike,
    "blind": _blind,
    "slower": _slower,
    "hasty": _hasty,
    "inconsistent": _inconsistent,
}
