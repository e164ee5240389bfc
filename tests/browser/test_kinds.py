"""Photos, posts and reviews in a real browser, by keyboard and by finger: what is stored is exactly what was meant."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from geoquorum.accounts.models import User
from geoquorum.campaigns.models import Vote
from geoquorum.catalog.models import Asset, Post
from tests import given
from tests.browser.layout import check_layout

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
SignIn = Callable[[User, str], Page]


def open_vote(campaign: Any, sign_in: SignIn) -> Page:
    page = sign_in(given.member(campaign.project), f"/campaigns/{campaign.pk}/vote/")
    wait_ready(page, "")
    return page


def wait_ready(page: Page, before: str) -> str:
    """The assignment shown, once it is painted and another than `before`."""
    page.wait_for_function(
        "before => (document.body.dataset.ready ?? '') !== '' && document.body.dataset.ready !== before", arg=before
    )
    return str(page.evaluate("document.body.dataset.ready"))


def press(page: Page, *keys: str) -> int:
    """Presses keys on the sample shown and waits for the next; returns the assignment that was shown."""
    shown = wait_ready(page, "")
    for key in keys:
        page.keyboard.press(key)
    wait_ready(page, shown)
    return int(shown)


def wait_sent(page: Page) -> None:
    page.wait_for_function("() => document.body.dataset.waiting === '0'", timeout=30_000)


def stored() -> list[tuple[Any, ...]]:
    fields = ("assignment_id", "kind", "code", "answer", "is_sure", "skip_reason")
    return list(Vote.objects.order_by("pk").values_list(*fields))


def shows_nothing_of_a_person(page: Page) -> None:
    words = page.content()
    for post in Post.objects.exclude(author=""):
        assert post.author not in words
        assert post.source_key not in words


def test_street_photos_are_judged_by_keyboard_with_a_box(sign_in: SignIn) -> None:
    page = open_vote(given.photo_campaign(given.project(is_simulated=True)), sign_in)
    assert page.evaluate("document.querySelector('[data-photo]').naturalWidth") == 640
    expect(page.locator("[data-locator-lines] .wedge")).to_have_count(1)
    rows = [
        (press(page, "b", "ArrowLeft", "ArrowUp", "Shift+ArrowRight", "Enter", "1"), "answer", "apartment",
         {"box": [0.23, 0.23, 0.75, 0.73]}, True, ""),
        (press(page, "Shift+2"), "answer", "house", None, False, ""),
        (press(page, "b", "b", "7"), "answer", "church", {"box": [0.25, 0.25, 0.75, 0.75]}, True, ""),
        (press(page, "b", "Delete", "8"), "answer", "roof", None, True, ""),
        (press(page, "b", "Enter", "s", "2"), "skip", "", None, True, "2"),
    ]  # fmt: skip
    frame = page.locator("[data-photo-frame]").bounding_box()
    page.mouse.move(frame["x"] + 0.2 * frame["width"], frame["y"] + 0.3 * frame["height"])
    page.mouse.down()
    page.mouse.move(frame["x"] + 0.6 * frame["width"], frame["y"] + 0.8 * frame["height"])
    page.mouse.up()
    drawn = press(page, "6")
    wait_sent(page)
    assert stored()[:-1] == rows
    last = stored()[-1]
    assert (last[0], last[2]) == (drawn, "industrial")
    assert last[3]["box"] == pytest.approx([0.2, 0.3, 0.6, 0.8], abs=0.01)
    check_layout(page)


def test_a_box_belongs_to_one_photo_and_comes_back_with_its_vote(sign_in: SignIn) -> None:
    page = open_vote(given.photo_campaign(given.project(is_simulated=True)), sign_in)
    first = press(page, "b", "Enter", "1")
    expect(page.locator("[data-box]")).to_be_hidden()
    wait_sent(page)
    page.reload()
    shown = wait_ready(page, "")
    page.keyboard.press("ArrowLeft")
    assert wait_ready(page, shown) == str(first)
    expect(page.locator("[data-box]")).to_be_visible()
    page.keyboard.press("3")
    wait_ready(page, str(first))
    wait_sent(page)
    votes = list(Vote.objects.order_by("pk").values_list("assignment_id", "revision", "code", "answer"))
    assert votes == [(first, 0, "apartment", {"box": [0.25] * 2 + [0.75] * 2}), (first, 1, "garage", votes[0][3])]


def test_posts_are_judged_by_keyboard_with_their_language(sign_in: SignIn) -> None:
    page = open_vote(given.post_campaign(given.project(is_simulated=True)), sign_in)
    rows = [
        (press(page, "g", "e", "2"), "answer", "commercial", {"language": "en"}, True, ""),
        (press(page, "0"), "answer", "not_relevant", None, True, ""),
        (press(page, "g", "a", "Shift+3"), "answer", "public", {"language": "ar"}, False, ""),
        (press(page, "s", "1"), "skip", "", None, True, "1"),
    ]
    wait_sent(page)
    assert stored() == rows
    shows_nothing_of_a_person(page)
    check_layout(page)


WORDS = {
    "markup": "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script> &amp; <b>x</b>",
    "arabic": "افتتاح المدرسة الجديدة في حيّنا اليوم 🏫",
    "emoji": "👩‍👩‍👧‍👦 at the bakery 🥐🥐🥐",
    "long": "Donaudampfschifffahrtsgesellschaft" * 12,
}


def test_words_of_a_post_are_only_words(sign_in: SignIn) -> None:
    page = open_vote(given.post_campaign(given.project(is_simulated=True), count=1), sign_in)
    for kind, words in WORDS.items():
        Post.objects.update(text=words)
        page.reload()
        wait_ready(page, "")
        text = page.locator("[data-post-text]")
        expect(text).to_have_text(words)
        assert page.title() != "broken"
        assert text.locator("*").count() == 0
        direction = text.evaluate("element => getComputedStyle(element).direction")
        assert direction == ("rtl" if kind == "arabic" else "ltr")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert text.evaluate("element => element.scrollWidth <= element.clientWidth + 1")
    Post.objects.update(text="Bakery.")
    Asset.objects.filter(sample__kind="post").delete()
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    wait_ready(page, "")
    post, words_box = (page.locator(name).bounding_box() for name in (".post", "[data-post-text]"))
    assert post["y"] + post["height"] - words_box["y"] - words_box["height"] < 24, "white space under a short post"


def test_a_review_is_answered_by_keys(sign_in: SignIn) -> None:
    page = open_vote(given.review_campaign(given.project()), sign_in)
    expect(page.locator("[data-simulated]")).to_be_visible()  # the city is made up, the project is not
    asked = page.locator("[data-asked]").text_content()
    assert asked.startswith("Is this LCZ ")
    rows = [
        (press(page, "y"), "answer", "yes", None, True, ""),
        (press(page, "n"), "answer", "no", None, True, ""),
        (press(page, "Shift+Y"), "answer", "yes", None, False, ""),
        (press(page, "u"), "skip", "", None, True, "1"),
    ]
    page.keyboard.press("w")
    expect(page.locator("#note")).to_be_visible()
    page.keyboard.press("Escape")
    wait_sent(page)
    assert stored() == rows
    check_layout(page)


@pytest.fixture
def phone(chromium: Browser, live_server: object, transactional_db: None) -> Any:
    """A telephone with a finger."""
    made = chromium.new_context(
        viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True, base_url=str(live_server)
    )
    yield made
    made.set_offline(True)
    for page in made.pages:
        page.wait_for_timeout(400)
    made.close()


def open_on(phone: BrowserContext, live_server: object, campaign: Any) -> Page:
    from django.conf import settings
    from django.test import Client

    client = Client()
    client.force_login(given.member(campaign.project))
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    phone.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": str(live_server)}])
    page = phone.new_page()
    page.goto(f"/campaigns/{campaign.pk}/vote/")
    wait_ready(page, "")
    return page


def swipe(page: Page, right: int, down: int) -> int:
    """A finger moves over the card; returns the assignment that was shown."""
    shown = wait_ready(page, "")
    box = page.locator("[data-swipe]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 3
    finger = page.context.new_cdp_session(page)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for part in (0.3, 0.6, 1.0):
        points = [{"x": x + right * part, "y": y + down * part}]
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    return int(shown)


def test_a_review_is_swiped_on_a_telephone(phone: BrowserContext, live_server: object) -> None:
    page = open_on(phone, live_server, given.review_campaign(given.project(is_simulated=True)))
    rows = []
    for (right, down), said in {
        (150, 10): ("answer", "yes", ""), (-150, 5): ("answer", "no", ""), (10, 140): ("skip", "", "1"),
    }.items():  # fmt: skip
        shown = swipe(page, right, down)
        wait_ready(page, str(shown))
        rows.append((shown, said[0], said[1], None, True, said[2]))
    stays = swipe(page, 30, 10)
    page.wait_for_timeout(200)
    assert wait_ready(page, "") == str(stays), "a slip of the finger is no vote"
    wait_sent(page)
    assert stored() == rows
