"""Forms of a page as a program fills them."""

from collections.abc import Iterator
from html.parser import HTMLParser

FIELDS, TOKEN = ("input", "textarea", "select", "button"), "csrfmiddlewaretoken"


class Fields(HTMLParser):
    """Names of the fields of each form of a page that posts, by where it posts to; tokens and files are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_inside = said.get("method", "get").lower() == "post"
            if self._is_inside:
                self.forms.append((said.get("action", ""), {}))
        elif self._is_inside and tag in FIELDS and said.get("name", TOKEN) != TOKEN and said.get("type") != "file":
            kind = "text" if tag == "textarea" else said.get("type", "text" if tag == "input" else "choice")
            self.forms[-1][1][said["name"]] = "" if kind in ("text", "search", "email") else said.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = self._is_inside and tag != "form"


def fill_forms(page: str, url: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each form of a page with an address in every field of words, what is hidden or chosen left as it is."""
    found = Fields()
    found.feed(page)
    for action, fields in found.forms:
        yield action, {name: value or url for name, value in fields.items()}
