"""Script in every text that somebody may type, on every page and in the administration: shown as text, never run."""

from html import escape
from html.parser import HTMLParser

import pytest

from tests.everything import World, list_routes

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PAYLOADS = (
    "<script>p()</script>", "<img src=x onerror=p()>", "<svg onload=p()>", "<svg><script>p()</script></svg>",
    '"><script>p()</script>', "'><script>p()</script>", '"><img src=x onerror=p()>', "</title><script>p()</script>",
    "</textarea><script>p()</script>", "</script><script>p()</script>", "--><script>p()</script>", "<body onload=p()>",
    '" onfocus=p() autofocus="', "' onmouseover=p() x='", '" autofocus onfocus=p() x="', "<details open ontoggle=p()>",
    "<iframe srcdoc='<script>parent.p()</script>'>", "<video><source onerror=p()>", "<input autofocus onfocus=p()>",
    "<a href=javascript:p()>a</a>", "<math><mtext><script>p()</script>", "<style onload=p()>", "javascript:p()//",
    "<object data=javascript:p()>", "<embed src=javascript:p()>", "<form action=javascript:p()><button autofocus>",
    "<base href=//evil.example/>", "<meta http-equiv=refresh content='0;url=javascript:p()'>", "{{ p() }}{% p %}",
    "${p()}`p()`",
)  # fmt: skip
WATCH = """
window.p = () => { window.ran = true };
addEventListener('securitypolicyviolation', e => { (window.reports ||= []).push(e.violatedDirective) });
"""
# Tables that no person or file fills with words, and the record, which write_words fills.
WITHOUT_WORDS = (
    "admin.LogEntry", "auth.Group", "auth.Permission", "contenttypes.ContentType", "sessions.Session", "accounts.Event",
    "accounts.Grant", "accounts.LoginTry", "campaigns.Consensus", "campaigns.Participation", "campaigns.Seal",
    "training.Checkpoint",
)  # fmt: skip
# What a program reads as a word of its own, so that no text of a person is ever in it.
OF_PROGRAMS = (
    "password", "slug", "question", "scheme", "state", "kind", "role", "queue", "method", "task", "exporter", "uri",
    "sha256", "declared_digest", "digest", "unique_key", "modality", "season", "code", "use", "purpose", "folder",
    "cell", "worker", "code_revision", "language", "subject_kind", "subject_id", "dtype", "device", "source_id",
    "prompt", "crs", "author_digest", "source_key", "second_code", "skip_reason", "confidence_uri", "split", "metric",
    "baseline", "driver",
)  # fmt: skip


NEVER_USED = ("iframe", "object", "embed", "base", "math")
LEADING = ("href", "src", "action", "formaction", "data", "poster")


@pytest.fixture
def world(live_server: object, tmp_path) -> World:
    return World(tmp_path)


def list_texts():
    """Every text column that a person or a file fills, whatever table it is in."""
    from django.apps import apps
    from django.db import models

    for model in apps.get_models():
        for field in model._meta.concrete_fields if model._meta.label not in WITHOUT_WORDS else ():
            is_text = isinstance(field, (models.CharField, models.TextField)) and not field.choices
            if is_text and not isinstance(field, models.EmailField) and field.name not in OF_PROGRAMS:
                yield model, field


def fill_texts(waiting):
    """In all rows, as many of the payloads that wait for a field as it holds; what is in takes its place at the end.

    Answers how many were never in before: none left, and each of the thirty that fit has been in each row and field.
    """
    fresh = 0
    for model, field in list_texts():
        longest = min(field.max_length or 3_000, 3_000) - 8
        mine = waiting.setdefault((model, field), [[each for each in PAYLOADS if len(each) <= longest], []])
        text, left = "", []
        for payload in mine[0]:
            fits = len(text) + len(payload) <= longest
            text += payload if fits else ""
            (mine[1] if fits else left).append(payload)
            fresh += fits
        if not mine[0]:
            text = "".join(mine[1])[:longest]
        mine[0] = left
        for row in model.objects.order_by("pk")[:60].values_list("pk", flat=True):
            model.objects.filter(pk=row).update(**{field.attname: f"{row} "[-8:] + text})
    return fresh


def write_words(world):
    """Words with reasons, posts and threads, as people write them."""
    from django.utils import timezone

    from geoquorum.accounts import tokens
    from geoquorum.accounts.services import record
    from geoquorum.campaigns.services import unblind_campaign
    from geoquorum.campaigns.services.adjudication import adjudicate

    said = " ".join(PAYLOADS)
    adjudicate(
        round=world.consensus.round, sample=world.comment.sample, by=world.people["curator"], code="3", reason=said
    )
    dismissed = {"by": said, "at": timezone.now().isoformat(), "reason": said[:500]}
    world.standing.flags = [{"kind": "constant", "value": 1, "votes": 100, "code": said[:40], "dismissed": dismissed}]
    world.standing.save()
    unblind_campaign(campaign=world.open, by=world.people["curator"], reason=" ".join(PAYLOADS)[:1_900])
    for words in PAYLOADS:
        tokens.make_token(user=world.people["admin"], project=world.project, name=words[:80], scopes=["read"])
        record(project=world.project, actor=None, action=words[:60], subject=words[:120], detail={"reason": words})


def list_pages(world):
    """Every page that an administrator can read, and the administration's lists and forms."""
    from django.contrib import admin
    from django.urls import reverse

    left_out = (".png", ".bin", ".tif", ".csv", ".jpg", "<form>", "openapi.json", ".css")
    routes = [
        route for route in dict.fromkeys(list_routes()) if not route.endswith(left_out) and "exports/<" not in route
    ]
    client = world.client("admin")
    addresses = [world.address(route) for route in routes]
    answers = [client.get(address) for address in addresses]
    shown = [
        address
        for address, answer in zip(addresses, answers, strict=True)
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html")
    ]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        shown.append(reverse(f"{name}_changelist"))
        if (row := model.objects.order_by("pk").first()) is not None:
            shown += [reverse(f"{name}_change", args=[row.pk]), reverse(f"{name}_history", args=[row.pk])]
    return shown


def test_no_text_runs_as_script_on_any_page(context, live_server, world, sign_in):
    """Every payload that fits in every field, looked for in the pages as they are sent; in Chromium the first of each.

    A long field holds all thirty at once, so that Chromium meets them there."""
    admin = world.people["admin"]
    type(admin).objects.filter(pk=admin.pk).update(is_staff=True, is_superuser=True)
    write_words(world)
    pages = list_pages(world)
    assert len(pages) > 40
    waiting = {}
    while fill_texts(waiting):
        look_at_sources(world, pages)
    assert len(waiting) > 30
    fill_texts({})
    context.add_init_script(WATCH)
    page = sign_in(admin, "/account/")
    dialogs, policies, seen = [], [], []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("response", lambda answer: policies.append(answer.headers.get("content-security-policy", "")))
    for address in pages:
        answer = page.goto(address, wait_until="domcontentloaded")
        assert answer.status < 500, address
        assert page.evaluate("[window.ran || false, window.reports || []]") == [False, []], address
        seen.append("p()" in page.inner_text("body"))
    assert sum(seen) > 25, "the payloads are on few pages: what was filled is not what is shown"
    assert dialogs == []
    assert not any("unsafe-" in policy for policy in policies)


def look_at_sources(world, pages):
    """Nothing of a payload is more than text in a page: no tag, no handler, no address that is script."""
    client = world.client("admin")
    for address in pages:
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert find_script(answer.content.decode()) == [], address


class _Finder(HTMLParser):
    """Collects what a browser would run, or load from elsewhere, out of a payload."""

    def __init__(self):
        super().__init__()
        self.found, self.is_script = [], False

    def handle_starttag(self, tag, attrs):
        values = {name: (value or "").strip() for name, value in attrs}
        self.is_script = tag == "script" and "json" not in values.get("type", "")
        is_led = any(values.get(name, "").lower().startswith("javascript:") for name in LEADING)
        is_handler = any(name.startswith("on") for name in values)
        if tag in NEVER_USED or is_led or is_handler or "srcdoc" in values or "http-equiv" in values:
            self.found.append((tag, attrs))

    def handle_endtag(self, tag):
        self.is_script = False

    def handle_data(self, data):
        if self.is_script and "p()" in data:
            self.found.append(("script", data))


def find_script(source):
    """What is wrong with a page, nothing where all is text."""
    finder = _Finder()
    finder.feed(source)
    return finder.found


@pytest.mark.parametrize("payload", [each for each in PAYLOADS if "<" in each or each[0] in "\"'"])
def test_each_payload_would_be_found_where_it_is_not_escaped(payload):
    """In text or in an attribute with either quote: at one of them it must show, so that the search can fail."""
    frames = ("<p>{}</p>", '<p title="{}">x</p>', "<p title='{}'>x</p>", "<title>{}</title>", "<textarea>{}</textarea>")
    frames += ("<script type='application/json'>{}</script>", "<!--{}-->")
    assert any(find_script(frame.format(payload)) for frame in frames)
    assert not any(find_script(frame.format(escape(payload))) for frame in frames)
