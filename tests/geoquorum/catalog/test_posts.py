"""On row D3, posts from table to page: no name gets in, no list of names finds one, and authors can be erased."""

import csv
import io
import json
import logging
import sys

import pytest
from django.conf import settings
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from fusion.errors import BadInputError, BadPostsError
from geoquorum.accounts.models import Event
from geoquorum.campaigns import services as campaigns
from geoquorum.catalog.content import describe_samples
from geoquorum.catalog.media import find_photo
from geoquorum.catalog.models import Post, Reference, Sample
from geoquorum.catalog.posts import erase_author, ingest_posts
from geoquorum.catalog.pseudonyms import hash_author
from tests import given

pytestmark = pytest.mark.django_db
KNOWN = 200


@pytest.fixture(autouse=True)
def key(settings):
    settings.GEOQUORUM_PSEUDONYM_KEY = "a key of the tests, longer than it need be"


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["id", "text", "author", "language", "posted_at", "longitude", "latitude"])
        writer.writeheader()
        writer.writerows(rows)
    return path


def known_people():
    """200 posts of known people: their handle, e-mail, number and address, each planted in the words in some form."""
    frames = ["Shop open {}", "{} lives here", "RT {}: new hall!", "مدرسة {} جديدة", "call {}, please", "({})"]
    people = []
    for number in range(KNOWN):
        handle = f"person.{number:03d}_x"
        forms = [
            f"@{handle}",
            handle,
            f"{handle}@example.org",
            f"+49 30 23125 {number:03d}",
            f"https://example.org/{handle}",
        ]
        planted = forms[number % len(forms)]
        text = frames[number % len(frames)].format(planted)
        people.append({"id": f"99{number:03d}7", "author": handle, "planted": planted, "text": text})
    return people


@pytest.fixture
def planted(tmp_path, caplog):
    """The 200 posts taken in by the command, with all that was logged and printed while it ran."""
    people = known_people()
    rows = [{name: one[name] for name in ("id", "author", "text")} | {"language": "en"} for one in people]
    caplog.set_level(logging.DEBUG)
    said, before = io.StringIO(), sys.stdout
    sys.stdout = said
    try:
        call_command("ingest_posts", str(write(tmp_path / "posts.csv", rows)), "--region", "Testford")
    finally:
        sys.stdout = before
    return people, said.getvalue() + caplog.text


def dump():
    """Everything that the database keeps of posts, samples and events, as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(p)::text FROM catalog_post p")
        table = "\n".join(row for (row,) in cursor.fetchall())
    rows = [*Post.objects.all(), *Sample.objects.all(), *Event.objects.all()]
    return table + serializers.serialize("json", rows)


def shown_pages():
    """The HTML and JSON that an expert's browser gets for a campaign on all posts."""
    project = Sample.objects.first().project
    made = campaigns.create_campaign(
        project=project, name="Posts", question="social_post", scheme="post_building_function",
        samples=Sample.objects.order_by("pk"), quota=1, by=None,
    )  # fmt: skip
    campaigns.open_campaign(campaign=made, by=None)
    client = Client()
    client.force_login(given.member(project))
    pages = [client.get(f"/campaigns/{made.pk}/vote/").content.decode()]
    body = json.dumps({"count": 50})
    pages.append(client.post(f"/campaigns/{made.pk}/claims/", body, content_type="application/json").content.decode())
    told = describe_samples(list(Sample.objects.select_related("region")))
    return "\n".join([*pages, json.dumps(told, default=str)])


def test_of_200_known_people_no_handle_is_in_database_pages_or_logs(planted):
    people, said = planted
    kept, seen = dump(), shown_pages()
    assert Post.objects.count() == KNOWN
    caught = [one for one in people if one["planted"] not in kept + seen + said]
    assert len(caught) / KNOWN >= 0.99
    for place in (kept, seen, said):
        assert not [one["author"] for one in people if one["author"] in place]
        assert not [one["id"] for one in people if f'"{one["id"]}"' in place]


def test_a_list_of_all_names_recovers_nobody_without_the_key(planted, settings):
    """The right key finds everybody, so that the search itself is sound; another key, or none, finds nobody."""
    import hashlib

    people, _said = planted
    project = Sample.objects.first().project
    stored = set(Post.objects.values_list("author", "source_key")) and {
        value for pair in Post.objects.values_list("author", "source_key") for value in pair
    }
    assert len(stored) == 2 * KNOWN
    names = [one["author"] for one in people] + [one["id"] for one in people]
    assert sum(hash_author(project, one["author"]) in stored for one in people) == KNOWN
    guesses = set()
    for name in names:
        for word in (name, f"@{name}", f"author\0{project.pk}\0{name}", f"source\0{project.pk}\0{name}"):
            guesses |= {hashlib.sha256(word.encode()).hexdigest(), hashlib.md5(word.encode()).hexdigest()}
    settings.GEOQUORUM_PSEUDONYM_KEY = "another key of the tests, also long enough"
    guesses |= {hash_author(project, name) for name in names}
    assert not guesses & stored


def test_the_key_lies_outside_the_database(planted):
    assert settings.GEOQUORUM_PSEUDONYM_KEY not in dump()


def test_one_person_has_another_hash_in_another_project():
    assert hash_author(given.project(), "ann") != hash_author(given.project(), "ann")


def test_sign_and_capitals_of_a_handle_make_no_difference():
    project = given.project()
    assert hash_author(project, "@Ann_B") == hash_author(project, "ann_b ")


@pytest.mark.parametrize("short", ["", "too short"])
def test_without_a_key_no_post_is_taken(tmp_path, settings, short):
    settings.GEOQUORUM_PSEUDONYM_KEY = short
    path = write(tmp_path / "posts.csv", [{"id": "1", "text": "a", "author": "ann"}])
    with pytest.raises(BadInputError, match="GEOQUORUM_PSEUDONYM_KEY must hold at least 32"):
        ingest_posts(region=given.region(given.project()), path=path)
    assert Sample.objects.count() == 0


def test_a_table_with_one_bad_row_stores_nothing(tmp_path):
    path = write(tmp_path / "posts.csv", [{"id": "1", "text": "good"}, {"id": "1", "text": "again"}])
    with pytest.raises(BadPostsError, match="line 3 has the id of line 2"):
        ingest_posts(region=given.region(given.project()), path=path)
    assert Sample.objects.count() == Post.objects.count() == 0
    with pytest.raises(CommandError, match="line 3"):
        call_command("ingest_posts", str(path), "--region", "Testford")


def test_a_picture_that_is_not_there_refuses_the_table(tmp_path):
    (tmp_path / "posts.csv").write_text("id,text,image\n1,a,gone.jpg\n")
    with pytest.raises(BadInputError, match=r"gone\.jpg cannot be read"):
        ingest_posts(region=given.region(given.project()), path=tmp_path / "posts.csv")
    assert Sample.objects.count() == 0


def test_a_post_that_is_here_already_stays_as_it_is(tmp_path):
    region = given.region(given.project())
    first = ingest_posts(region=region, path=write(tmp_path / "a.csv", [{"id": "1", "text": "one", "author": "ann"}]))
    again = ingest_posts(
        region=region, path=write(tmp_path / "b.csv", [{"id": "1", "text": "two"}, {"id": "2", "text": "three"}])
    )
    assert (len(first.samples), len(again.samples), again.known) == (1, 1, 1)
    assert sorted(Post.objects.values_list("text", flat=True)) == ["one", "three"]


def test_posts_of_the_made_up_city_have_truth_place_and_picture():
    samples = given.posts(given.project(is_simulated=True), count=12)
    assert Reference.objects.filter(sample__in=samples, scheme="post_building_function").count() == 12
    assert all(sample.is_simulated and sample.cell for sample in samples)
    told = describe_samples(samples)
    assert all(one["text"] and one["patch"] for one in told.values())
    assert any(one["image"] for one in told.values())
    assert {"author", "source_key"} & set().union(*told.values()) == set()


def test_erasing_an_author_empties_words_pictures_and_hashes(tmp_path):
    project = given.project()
    samples = given.posts(project, count=12)
    pictured = next(sample for sample in samples if find_photo(sample))
    Post.objects.filter(sample=pictured).update(author=hash_author(project, "ann"))
    own = ingest_posts(
        region=given.region(project),
        path=write(tmp_path / "a.csv", [{"id": str(n), "text": f"hall {n}", "author": "@Ann"} for n in range(3)]),
    )
    from pathlib import Path

    file = Path(find_photo(pictured).uri)
    assert file.exists()
    assert erase_author(project=project, handle="ann", by=None) == 4
    for sample in [pictured, *own.samples]:
        post = Post.objects.get(sample=sample)
        assert (post.text, post.author, post.source_key, post.language) == ("", "", "", "")
        assert post.erased_at is not None
        assert Sample.objects.get(pk=sample.pk).captured_from is None
        assert describe_samples([sample])[sample.pk]["is_erased"]
    assert not file.exists()
    assert find_photo(pictured) is None
    assert Post.objects.exclude(text="").count() == 11
    event = Event.objects.get(action="author erased")
    assert event.detail == {"posts": 4}
    assert erase_author(project=project, handle="ann", by=None) == 0


def test_an_author_of_another_project_stays(tmp_path):
    path = write(tmp_path / "a.csv", [{"id": "1", "text": "hall", "author": "ann"}])
    mine, theirs = given.project(), given.project()
    for project in (mine, theirs):
        ingest_posts(region=given.region(project), path=path)
    assert erase_author(project=mine, handle="ann", by=None) == 1
    assert Post.objects.get(sample__project=theirs).text == "hall"


def test_the_command_reads_the_name_from_its_input(tmp_path, monkeypatch, capsys):
    project = given.project()
    ingest_posts(
        region=given.region(project), path=write(tmp_path / "a.csv", [{"id": "1", "text": "a", "author": "ann"}])
    )
    monkeypatch.setattr(sys, "stdin", io.StringIO("@ann\n"))
    call_command("erase_author", "--project", project.slug)
    assert capsys.readouterr().out == "1 posts emptied.\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    with pytest.raises(CommandError, match="Give the author's name"):
        call_command("erase_author", "--project", project.slug)
    with pytest.raises(CommandError, match="There is no project"):
        call_command("erase_author", "--project", "nowhere")


def test_markup_in_a_post_is_kept_as_text(tmp_path):
    words = "<script>alert(1)</script> <b>shop</b> &amp;"
    taken = ingest_posts(
        region=given.region(given.project()), path=write(tmp_path / "a.csv", [{"id": "1", "text": words}])
    )
    assert describe_samples(taken.samples)[taken.samples[0].pk]["text"] == words
