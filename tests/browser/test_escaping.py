"""Script in every text that somebody may type, on every page and in the administration: shown as text, never run."""

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
TURNS = 8  # a name holds about four payloads: after eight turns each of the thirty has been in each field
WATCH = """
window.p = () => { window.ran = true };
addEventListener('securitypolicyviolation', e => { (window.reports ||= []).push(e.violatedDirective) });
"""
MODELS = (
    "accounts.User", "accounts.Project", "accounts.Expert", "accounts.Token", "catalog.Region",
    "catalog.Sample", "catalog.Scene", "catalog.Asset", "catalog.Post", "campaigns.Campaign", "campaigns.Comment",
    "campaigns.Gold", "campaigns.RoundSample", "campaigns.ConsensusRun", "campaigns.Session", "releases.DatasetVersion",
    "releases.Export", "training.Run", "queue.Job",
)  # fmt: skip
# What a program reads as a word of its own, so that no text of a person is ever in it.
OF_PROGRAMS = (
    "password", "slug", "question", "scheme", "state", "kind", "role", "queue", "method", "task", "exporter", "uri",
    "sha256", "declared_digest", "digest", "unique_key", "modality", "season", "code", "use", "purpose", "folder",
    "cell", "worker", "code_revision", "language", "subject_kind", "subject_id", "dtype", "device", "source_id",
    "prompt", "crs", "author_digest", "source_key",
)  # fmt: skip


@pytest.fixture
def world(live_server: object, tmp_path) -> World:
    return World(tmp_path)


def list_texts():
    """Every text column that a person or a file fills, by model."""
    from django.apps import apps
    from django.db import models

    for label in MODELS:
        for field in apps.get_model(label)._meta.concrete_fields:
            is_text = isinstance(field, (models.CharField, models.TextField)) and not field.choices
            if is_text and not isinstance(field, models.EmailField) and field.name not in OF_PROGRAMS:
                yield apps.get_model(label), field


def fill_texts(turn):
    """As many payloads as each text holds, another first one for each row, field and turn."""
    for number, (model, field) in enumerate(list_texts()):
        longest = min(field.max_length or 3_000, 3_000)
        for place, row in enumerate(model.objects.order_by("pk")[:60].values_list("pk", flat=True)):
            text, start = f"{row} "[-12:], turn * 4 + number * 7 + place
            for step in range(len(PAYLOADS)):
                payload = PAYLOADS[(start + step) % len(PAYLOADS)]
                text += payload if len(text) + len(payload) <= longest else ""
            model.objects.filter(pk=row).update(**{field.attname: text})


def write_words(world):
    """Words with reasons, posts and threads, as people write them."""
    from geoquorum.accounts import tokens
    from geoquorum.accounts.services import record
    from geoquorum.campaigns.services import unblind_campaign

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
    """In Chromium once; every payload in every field besides is looked for in the pages as they are sent."""
    admin = world.people["admin"]
    type(admin).objects.filter(pk=admin.pk).update(is_staff=True, is_superuser=True)
    write_words(world)
    pages = list_pages(world)
    assert len(pages) > 40
    for turn in range(1, TURNS):
        fill_texts(turn)
        look_at_sources(world, pages)
    fill_texts(0)
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
    """No tag of a payload stands in a page as a tag."""
    client = world.client("admin")
    for address in pages:
        source = client.get(address).content.decode()
        assert [payload for payload in PAYLOADS if "<" in payload and payload in source] == [], address
