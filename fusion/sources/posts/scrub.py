"""Takes out of a post's words what names or reaches a person: @mentions, e-mails, telephone numbers, addresses (URLs).

Found by form alone: a full name in plain words stays, and an expert can skip such a post with a reason of its own.
"""

import re
import unicodedata
from collections import Counter

# Signs without width that hide a handle from a search, and those that turn the direction of the text. Joiners that
# emoji and Persian need (U+200C, U+200D) stay.
UNSEEN = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
# A dot and an at sign, also spelt out in brackets: "ann (at) example [dot] org".
AT = r"\s?[(\[{]\s?at\s?[)\]}]\s?|@|\uff20"
DOT = r"\s?[(\[{]\s?dot\s?[)\]}]\s?|[.\uff0e]"
REST = r"\S*[^\s.,;:!?()\[\]{}'\"»”’]"  # of an address; the full stop behind it belongs to the sentence
ZERO = "[0\u0660\u06f0\u0966\uff10]"  # also Arabic, Persian, Hindi and full-width
GAP = r"[\s./()-]{0,3}"
DATE = r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}(?!\d)"
PHONE_START, PHONE_END = rf"(?<!\d)(?<!\d[.,:/-])(?!{DATE})", r"(?![\d%]|[.,-]\d)"
# Endings of addresses that are no words; those that are (it, in, me ...) count only with a path behind them.
ENDINGS = "com|org|net|info|de|fr|es|ru|tr|cn|jp|br|uk|eu|io|app|social|ch|nl|pl|gov|edu"
WORD_ENDINGS = "it|in|us|co|ly|me|gl|tv|be|at|gd|to"
PATTERNS = (
    ("link", re.compile(rf"(?:https?|ftp)\s?[:\uff1a]\s?//{REST}|\bwww\.{REST}", re.IGNORECASE)),
    ("user", re.compile(r"(?<!\w)[@\uff20][\w.-]{1,64}@[\w.-]{1,250}\w")),
    ("e-mail", re.compile(rf"[\w.+%-]{{1,64}}(?:{AT})[\w-]{{1,63}}(?:(?:{DOT})[\w-]{{1,63}}){{1,5}}", re.IGNORECASE)),
    ("user", re.compile(r"[@\uff20][\w.-]{0,99}\w")),
    ("user", re.compile(r"(?<![\w/])/?u/[\w-]{3,}", re.IGNORECASE)),
    (
        "link",
        re.compile(
            rf"(?<![\w@.-])(?:[\w-]{{1,63}}\.){{1,5}}(?:(?:{ENDINGS})\b(?:/{REST})?|(?:{WORD_ENDINGS})/{REST})",
            re.IGNORECASE,
        ),
    ),
    # International, with a leading zero or brackets, then 7 to 14 digits more in any groups.
    (
        "phone",
        re.compile(rf"{PHONE_START}(?:\+|\(\+?\d{{1,5}}\)|{ZERO}){GAP}\d(?:{GAP}\d){{6,13}}{PHONE_END}"),
    ),
    ("phone", re.compile(rf"{PHONE_START}\d{{3}}[\s.-]\d{{3}}[\s.-]\d{{4}}{PHONE_END}")),
    ("phone", re.compile(rf"{PHONE_START}\d{{9,13}}{PHONE_END}")),
)
SHORTEST_NAME = 3


def scrub(text: str, author: str = "") -> tuple[str, Counter[str]]:
    """The text with each find replaced by its kind in square brackets, and how many of each were found.

    `author` is the handle of who wrote it: taken out wherever it stands as a word, with or without its sign.
    """
    removed: Counter[str] = Counter()
    clean = UNSEEN.sub("", unicodedata.normalize("NFC", text))
    for kind, pattern in PATTERNS:
        clean, count = pattern.subn(f"[{kind}]", clean)
        removed[kind] += count
    handle = UNSEEN.sub("", author).strip().lstrip("@\uff20")
    if len(handle) >= SHORTEST_NAME:
        clean, count = re.subn(rf"(?<!\w){re.escape(handle)}(?!\w)", "[user]", clean, flags=re.IGNORECASE)
        removed["user"] += count
    return clean, +removed
