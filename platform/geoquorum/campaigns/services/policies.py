"""What a campaign's policy may say; a policy that could never settle or never end is refused when it is made.

{"kind": "fixed" | "adaptive", "order": "random" | "least_voted",
 "minimum": 2, "maximum": 10, "settle_at": 0.95,                     adaptive only; maximum is the round's quota
 "gold_share": 0.05, "repeat_share": 0.05,                           of an expert's stream, at most 0.3 each
 "qualification": {"threshold": 0.7, "samples": 34, "tries": 3}}
"""

from collections.abc import Mapping
from typing import Any

from geoquorum.campaigns.services.refusal import RefusedError

KINDS, ORDERS = ("fixed", "adaptive"), ("random", "least_voted")
ADAPTIVE = {"minimum", "maximum", "settle_at"}
SHARES = ("gold_share", "repeat_share")
MOST_HIDDEN = 0.3
MOST_TRIES = 3
KNOWN = {"kind", "order", "qualification", *ADAPTIVE, *SHARES}


def check_policy(policy: Mapping[str, Any], quota: int) -> None:
    """Raises RefusedError naming the key that cannot be."""
    if unknown := sorted(set(policy) - KNOWN):
        _refuse(f"Policy has unknown keys {', '.join(unknown)}; known are {', '.join(sorted(KNOWN))}.")
    kind, order = policy.get("kind", "fixed"), policy.get("order", "random")
    if kind not in KINDS or order not in ORDERS:
        _refuse(f"Policy kind is one of {', '.join(KINDS)} and order one of {', '.join(ORDERS)}.")
    if kind == "adaptive":
        _check_adaptive(policy, quota)
    for name in SHARES:
        if not 0 <= _number(policy, name, 0.0) <= MOST_HIDDEN:
            _refuse(f"{name} must lie between 0 and {MOST_HIDDEN}.")
    if policy.get("qualification") is not None:
        _check_qualification(policy["qualification"])


def _check_adaptive(policy: Mapping[str, Any], quota: int) -> None:
    minimum, maximum = _number(policy, "minimum", 0), _number(policy, "maximum", quota)
    if maximum != quota or not 1 <= minimum <= maximum:
        _refuse(f"An adaptive policy needs 1 <= minimum <= maximum = {quota}, the most votes of its round.")
    if not 0.5 <= _number(policy, "settle_at", 0.0) < 1:
        _refuse("settle_at must be a probability from 0.5 to below 1.")


def _check_qualification(asked: Any) -> None:
    if not isinstance(asked, Mapping) or set(asked) != {"threshold", "samples", "tries"}:
        _refuse("qualification needs threshold, samples and tries.")
    if not 0 < _number(asked, "threshold", 0) <= 1 or _number(asked, "samples", 0) < 1:
        _refuse("qualification needs a threshold above 0 and at most 1, and at least one sample.")
    if not 1 <= _number(asked, "tries", 0) <= MOST_TRIES:
        _refuse(f"qualification allows 1 to {MOST_TRIES} tries.")


def _number(values: Mapping[str, Any], name: str, default: float) -> float:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(f"{name} must be a number, not {value!r}.")
    return float(value)


def _refuse(sentence: str) -> None:
    raise RefusedError(sentence, status=400)
