"""A person's own choices for looking and voting: keys, colours, theme, size of text. They change no vote and no export.

    {"keys": {"S": "W", "W": "S"}, "single_keys": true, "palette": "wudapt", "theme": "auto", "text": "normal"}

`keys` swaps keys: what the page calls S is done by pressing W. It holds only keys that moved, each key on both sides.
"""

import json
import re
from typing import Any

from django.http import HttpResponse

from fusion.errors import BadInputError
from geoquorum.accounts.models import Expert, User

LONGEST_BYTES = 8192
YEAR_S = 31_536_000
CHOICES = {
    "palette": ("wudapt", "safe"),
    "theme": ("auto", "light", "dark"),
    "text": ("normal", "large"),
    "single_keys": (True, False),
}
DEFAULTS: dict[str, Any] = {"keys": {}} | {name: options[0] for name, options in CHOICES.items()}
# Any printable sign in capitals, or one of the named keys; Esc, Tab, Enter, Shift and ? stay what they are.
KEY = re.compile(
    r"[^\sa-z?\x00-\x1f\x7f\ud800-\udfff]|Backspace|Delete|Space|Home|End|PageUp|PageDown|Arrow(Up|Down|Left|Right)"
)


def read_preferences(user_id: int) -> dict[str, Any]:
    """This person's choices, with the defaults where nothing was chosen; the same in all their projects."""
    kept = (
        Expert.objects.filter(user=user_id).exclude(preferences={}).order_by("pk").values_list("preferences", flat=True)
    )
    return DEFAULTS | (kept.first() or {})


def save_preferences(*, user: User, body: bytes) -> dict[str, Any]:
    """Keeps choices with every pseudonym of this person; raises BadInputError, and then nothing is kept."""
    if len(body) > LONGEST_BYTES:
        raise BadInputError(f"Preferences take at most {LONGEST_BYTES} bytes, not {len(body)}.")
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, or a number of thousands of digits
        raise BadInputError("The body is not JSON.") from error
    check_preferences(values)
    if not Expert.objects.filter(user=user).update(preferences=values):
        raise BadInputError("You take part in no project yet; choices are kept with the pseudonym you vote under.")
    return DEFAULTS | values


def check_preferences(values: Any) -> None:
    """Raises BadInputError where choices are not of the shape above."""
    if not isinstance(values, dict) or not set(values) <= set(DEFAULTS):
        raise BadInputError(f"Preferences are an object with only {', '.join(DEFAULTS)}.")
    for name, options in CHOICES.items():
        chosen = values.get(name, options[0])
        if not any(type(chosen) is type(option) and chosen == option for option in options):
            raise BadInputError(f"{name} is one of {', '.join(map(str, options))}.")
    check_keys(values.get("keys", {}))


def check_keys(keys: Any) -> None:
    """Every key that moved must be taken by another, so that no two things share a key and nothing loses its own."""
    if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
        raise BadInputError("keys is an object of key names.")
    for key in (*keys, *keys.values()):
        if not KEY.fullmatch(key):
            raise BadInputError(f"{key[:20]!r} is not a key that can be chosen.")
    if set(keys) != set(keys.values()):
        raise BadInputError("Two things would share a key, or one would have none: keys may only change places.")


def remember_display(response: HttpResponse, values: dict[str, Any]) -> None:
    """Cookies from which every page takes its look; they hold no more than the choices themselves."""
    shown = {name: values[name] for name in ("palette", "theme", "text")}
    for name, value in (shown | {"single_keys": "on" if values["single_keys"] else "off"}).items():
        response.set_cookie(name, value, max_age=YEAR_S, samesite="Lax")
