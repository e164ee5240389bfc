"""Known answers: from references, files and decisions; all or nothing, for curators only."""

import html
import tracemalloc

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from geoquorum.accounts.models import Event
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Adjudication, Assignment, Gold, Round
from geoquorum.campaigns.services import RefusedError
from geoquorum.campaigns.services.gold import (
    GoldRow,
    add_gold,
    choose_gold,
    read_gold,
    remove_gold,
    take_over_adjudicated,
)
from geoquorum.catalog.models import Reference
from tests import given


@pytest.fixture
def campaign(db):
    return given.campaign(given.project(), count=6)


def read(campaign, text, use="monitor"):
    content = text if isinstance(text, bytes) else text.encode()
    return add_gold(
        campaign=campaign, rows=read_gold(campaign=campaign, content=content, use=use), source="file", by=None
    )


def name_samples(campaign, count):
    return [given.sample(campaign.project, key=f"s{campaign.pk}-{number}").key for number in range(count)]


def test_a_file_is_read_with_uses_and_explanations(campaign):
    one, two = name_samples(campaign, 2)
    assert read(campaign, f"sample,code,use,explanation\n{one},6,qualify,gardens\n{two},G,,\n") == 2
    first, second = Gold.objects.order_by("pk")
    assert (first.sample.key, first.code, first.use, first.explanation) == (one, "6", "qualify", "gardens")
    assert (second.code, second.use, second.source) == ("G", "monitor", "file")


def test_a_byte_order_mark_blank_lines_and_quoted_line_ends_are_read(campaign):
    one, two = name_samples(campaign, 2)
    text = f'\ufeffSample,Code,explanation\r\n{one},6,"two\nlines"\r\n\r\n{two},7,\r\n'
    assert read(campaign, text) == 2
    assert Gold.objects.get(code="6").explanation == "two\nlines"


BAD_FILES = [
    ("", "columns missing: sample, code"),
    ("sample\nx\n", "columns missing: code"),
    ("sample,code,key\nx,6,1\n", "unknown: key"),
    ("sample,code,code\nx,6,6\n", "twice: code"),
    ("sample,code\n{0}\n", "line 2 has 1 cells, the header 2"),
    ("sample,code\n{0},6\nnobody,6\n", "line 3 names 'nobody'; this project has no samples called so"),
    ("sample,code\n{0},18\n", "line 2 has code '18', which is not a class"),
    ("sample,code,use\n{0},6,train\n", "line 2 has 'train', which is no use of gold"),
    ("sample,code\n{0},6\n{1},7\n{0},6\n", "line 4 has the sample of line 2 again"),
    ("sample,code\n{0},6\n{1},\0\n", "line 3 holds a NUL byte"),
    ("sample,code,explanation\n{0},6," + "x" * 2_001 + "\n", "line 2 has an explanation of more than 2,000"),
    ("sample,code,explanation\n{0},6," + "x" * 100_001 + "\n", "line 2 is longer than 100,000 bytes"),
    ('sample,code\n{0},"6\n', "line 2 cannot be read as CSV"),
    ("sample,code\n", "no gold in this"),
    (b"sample,code\n\xff\xfe,6\n", "line 2 is not UTF-8"),
    ("sample,code\n".encode("utf-16"), "is UTF-16"),
]


def fill_in(text, keys):
    return text if isinstance(text, bytes) else text.format(*keys).encode()


@pytest.mark.parametrize(("text", "words"), BAD_FILES)
def test_a_bad_file_is_refused_by_line_and_nothing_of_it_is_kept(campaign, text, words):
    keys = name_samples(campaign, 2)
    with pytest.raises(RefusedError, match=words) as refused:
        read(campaign, fill_in(text, keys))
    assert refused.value.status == 400
    assert not Gold.objects.exists()


def test_a_key_of_a_patch_and_of_a_post_names_neither(campaign):
    for kind in ("patch", "post"):
        given.sample(campaign.project, key="both", kind=kind)
    with pytest.raises(RefusedError, match="line 2 names 'both'; this project has 2 samples called so"):
        read(campaign, "sample,code\nboth,6\n")


def test_a_sample_that_is_gold_is_not_taken_again(campaign):
    (key,) = name_samples(campaign, 1)
    read(campaign, f"sample,code\n{key},6\n")
    with pytest.raises(RefusedError, match="line 2 names a sample that is gold already"):
        read(campaign, f"sample,code\n{key},7\n")


def test_a_file_that_is_far_too_long_is_refused(campaign):
    with pytest.raises(RefusedError, match="larger than 4,000,000 bytes"):
        read(campaign, b"x" * 5_000_000)


def test_many_faults_are_told_together_but_not_all(campaign):
    keys = name_samples(campaign, 25)
    with pytest.raises(RefusedError, match=r"; and 5 more\. Nothing was taken"):
        read(campaign, "sample,code\n" + "".join(f"{key},99\n" for key in keys))


def test_a_sample_of_another_project_is_not_found(campaign):
    foreign = given.sample(given.project(), key="theirs")
    with pytest.raises(RefusedError, match="names 'theirs'; this project has no samples"):
        read(campaign, "sample,code\ntheirs,6\n")
    with pytest.raises(RefusedError, match="another project"):
        add_gold(campaign=campaign, rows=[GoldRow(sample=foreign, code="6", use="monitor")], source="x", by=None)


def add_references(samples, codes, source="hand"):
    for sample, code in zip(samples, codes, strict=True):
        Reference.objects.create(sample=sample, scheme="lcz17", code=code, source=source)


def test_references_give_so_many_of_each_class_and_unasked_samples_first(db):
    project = given.project()
    region = given.region(project)
    asked, beside = given.samples(project, 6, region), given.samples(project, 6, region)
    campaign = given.campaign(project, samples=asked)
    add_references(asked + beside, ["6", "6", "6", "G", "G", "A"] * 2)
    assert choose_gold(campaign=campaign, source="hand", per_class=2, use="monitor", by=None) == 6
    codes = sorted(Gold.objects.values_list("code", flat=True))
    assert codes == ["6", "6", "A", "A", "G", "G"]
    chosen = set(Gold.objects.exclude(code="A").values_list("sample", flat=True))
    assert chosen <= {sample.pk for sample in beside}
    # Asked again, others are taken.
    assert choose_gold(campaign=campaign, source="hand", per_class=2, use="qualify", by=None) == 6 - 1 - 1
    assert Gold.objects.values("sample").distinct().count() == 10


def test_references_of_other_sources_schemes_and_regions_are_left_out(db):
    project = given.project()
    campaign = given.campaign(project, samples=given.samples(project, 3, given.region(project)))
    elsewhere = given.samples(project, 2, given.region(project, "Farville"))
    add_references(elsewhere, ["6", "G"])
    with pytest.raises(RefusedError, match="no gold in this"):
        choose_gold(campaign=campaign, source="hand", per_class=2, use="monitor", by=None)
    with pytest.raises(RefusedError, match="at least one"):
        choose_gold(campaign=campaign, source="hand", per_class=0, use="monitor", by=None)


def test_decisions_are_taken_over_with_their_reasons_and_ambiguous_ones_are_not(campaign):
    round = services.current_round(campaign=campaign)
    expert = given.expert(campaign.project)
    first, second = (row.sample for row in round.round_samples.all()[:2])
    decided = {"campaign": campaign, "round": round, "by": expert}
    Adjudication.objects.create(**decided, sample=first, code="5", reason="too early")
    Adjudication.objects.create(**decided, sample=first, code="6", reason="gardens seen")
    Adjudication.objects.create(**decided, sample=second, is_ambiguous=True, reason="half and half")
    new = given.campaign(campaign.project, count=3)
    assert take_over_adjudicated(campaign=new, use="monitor", by=None) == 1
    gold = Gold.objects.get()
    assert (gold.sample, gold.code, gold.explanation) == (first, "6", "gardens seen")


def test_gold_is_removed_before_use_and_stays_after(campaign):
    gold = Gold.objects.create(campaign=campaign, sample=given.sample(campaign.project), code="6", use="monitor")
    other = Gold.objects.create(campaign=campaign, sample=given.sample(campaign.project), code="6", use="monitor")
    round = services.add_round(campaign=campaign, samples=[gold.sample], quota=30_000, purpose=Round.Purpose.GOLD)
    expert = given.expert(campaign.project)
    Assignment.objects.create(
        campaign=campaign, round=round, sample=gold.sample, expert=expert, quota=30_000, slot=0
    )  # fmt: skip
    with pytest.raises(RefusedError, match="stays"):
        remove_gold(gold=gold, by=None)
    remove_gold(gold=other, by=None)
    assert list(Gold.objects.all()) == [gold]


def test_a_closed_campaign_takes_no_gold(campaign):
    services.close_campaign(campaign=campaign, by=None)
    key = name_samples(campaign, 1)[0]
    with pytest.raises(RefusedError, match="closed"):
        read(campaign, f"sample,code\n{key},6\n")


def test_what_is_recorded_says_how_many_but_not_what(campaign):
    key = name_samples(campaign, 1)[0]
    read(campaign, f"sample,code,explanation\n{key},6,secret\n")
    event = Event.objects.get(action="gold added")
    assert event.detail == {"count": 1, "source": "file", "uses": ["monitor"]}


def test_curators_add_and_remove_on_their_page(campaign, client):
    client.force_login(given.member(campaign.project, "curator"))
    key = name_samples(campaign, 1)[0]
    add_references([given.sample(campaign.project)], ["7"])
    file = SimpleUploadedFile("known.csv", f"sample,code,explanation\n{key},6,<script>alert(1)</script>\n".encode())
    address = reverse("campaigns:gold_upload", args=[campaign.pk])
    assert client.post(address, {"file": file, "use": "qualify"}).status_code == 302
    page = client.get(reverse("campaigns:gold", args=[campaign.pk])).content.decode()
    assert key in page
    assert "known.csv" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    gold = Gold.objects.get()
    assert client.post(reverse("campaigns:gold_remove", args=[campaign.pk, gold.pk])).status_code == 302
    assert not Gold.objects.exists()


def upload(client, campaign, content):
    """What the page says after a file was sent to it."""
    address = reverse("campaigns:gold_upload", args=[campaign.pk])
    file = SimpleUploadedFile("known.csv", content)
    return html.unescape(client.post(address, {"file": file, "use": "qualify"}, follow=True).content.decode())


SENT = ("columns missing: code", "NUL", "again", "longer", "UTF-8", "cannot be read as CSV")


@pytest.mark.parametrize(("text", "words"), [case for case in BAD_FILES if any(part in case[1] for part in SENT)])
def test_a_refused_file_is_answered_with_its_lines(campaign, client, text, words):
    client.force_login(given.member(campaign.project, "curator"))
    page = upload(client, campaign, fill_in(text, name_samples(campaign, 2)))
    assert words in page
    assert "known.csv" in page
    assert not Gold.objects.exists()


def test_a_file_with_a_byte_order_mark_is_uploaded_like_any(campaign, client):
    client.force_login(given.member(campaign.project, "curator"))
    key = name_samples(campaign, 1)[0]
    assert "1 known answers added" in upload(client, campaign, f"\ufeffsample,code\r\n{key},6\r\n".encode())
    assert Gold.objects.get().source == "known.csv"


def test_a_line_of_a_hundred_megabytes_is_refused_and_never_held(campaign, client, tmp_path):
    """Sent as a browser does, in pieces: what comes back is a sentence, and memory stays small."""
    client.force_login(given.member(campaign.project, "curator"))
    path = tmp_path / "body"
    with path.open("wb") as file:
        file.write(b'--x\r\nContent-Disposition: form-data; name="use"\r\n\r\nqualify\r\n')
        file.write(b'--x\r\nContent-Disposition: form-data; name="file"; filename="known.csv"\r\n\r\nsample,code\n')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b",6\n\r\n--x--\r\n")
    address = reverse("campaigns:gold_upload", args=[campaign.pk])
    with path.open("rb") as body:
        sent = {"wsgi.input": body, "CONTENT_LENGTH": str(path.stat().st_size)}
        sent["CONTENT_TYPE"] = "multipart/form-data; boundary=x"
        tracemalloc.start()
        try:
            answer = client.generic("POST", address, **sent)
            assert tracemalloc.get_traced_memory()[1] < 30_000_000
        finally:
            tracemalloc.stop()
    assert "known.csv is larger than 4,000,000 bytes" in client.get(answer["Location"]).content.decode()
    assert not Gold.objects.exists()


def test_gold_of_another_campaign_cannot_be_removed_here(campaign, client):
    other = given.campaign(campaign.project)
    gold = Gold.objects.create(campaign=other, sample=given.sample(campaign.project), code="6", use="monitor")
    client.force_login(given.member(campaign.project, "curator"))
    assert client.post(reverse("campaigns:gold_remove", args=[campaign.pk, gold.pk])).status_code == 404
