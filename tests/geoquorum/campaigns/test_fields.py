"""What a question asks beside the class: from the ballots to the run's rows, its page, its table and the API."""

import csv
import uuid

import pyarrow.parquet as pq
import pytest
from django.urls import reverse

from geoquorum.campaigns import services
from geoquorum.campaigns.services import Ballot
from geoquorum.campaigns.services.vote_files import import_vote_file
from geoquorum.releases import services as releases
from tests import given

pytestmark = pytest.mark.django_db
LEFT, MIDDLE, RIGHT = [0.0, 0.2, 0.5, 0.7], [0.1, 0.2, 0.6, 0.7], [0.2, 0.2, 0.7, 0.7]
MEDIAN = pytest.approx(MIDDLE)


def vote(campaign, code, answers):
    """One expert for each answer, who says it of every sample."""
    for answer in answers:
        expert = given.expert(campaign.project, given.member(campaign.project))
        while claimed := services.claim(
            round=services.current_round(campaign=campaign), expert=expert, session=None, count=9
        ):
            for one in claimed:
                ballot = Ballot(assignment=one.pk, client_uuid=uuid.uuid4(), kind="answer", code=code, answer=answer)
                services.cast_vote(campaign=campaign, expert=expert, ballot=ballot)


def close(campaign):
    services.close_campaign(campaign=campaign, by=None)
    for run in campaign.consensus_runs.select_related("job"):
        given.work(run.job, services.refit)
    return campaign.consensus_runs.get(method="majority")


def close_photos(*boxes):
    campaign = given.photo_campaign(given.project(), count=2, quota=len(boxes))
    vote(campaign, "house", [None if box is None else {"box": box} for box in boxes])
    return campaign, close(campaign)


def read_csv(client, run):
    page = client.get(reverse("campaigns:csv", args=[run.campaign_id, run.pk, "samples"]))
    return list(csv.DictReader(b"".join(page.streaming_content).decode().splitlines()))


def test_three_boxes_become_their_median_in_rows_page_table_and_api(client):
    campaign, run = close_photos(LEFT, MIDDLE, RIGHT)
    for row in run.rows.all():
        assert row.fields["box"]["value"] == MEDIAN
        assert (row.fields["box"]["votes"], row.fields["box"]["found"], row.fields["box"]["agreement"]) == (3, 3, 1)
    client.force_login(given.member(campaign.project, "curator"))
    page = client.get(reverse("campaigns:sample", args=[campaign.pk, row.sample_id])).content.decode()
    assert '<rect class="dashed" x="10.00%" y="20.00%" width="50.00%" height="50.00%"/>' in page
    assert "of 3 of 3 experts" in page
    line = read_csv(client, run)[0]
    assert [float(line[f"box_{name}"]) for name in ("x0", "y0", "x1", "y1")] == MEDIAN
    assert (line["box_found"], line["box_votes"]) == ("3", "3")
    told = client.get(f"/api/v1/campaigns/{campaign.pk}/consensus").json()["items"][0]
    assert told["fields"]["box"]["value"] == MEDIAN


def test_two_of_five_who_draw_none_leave_the_box_of_the_other_three():
    _campaign, run = close_photos(MIDDLE, None, MIDDLE, None, MIDDLE)
    found = run.rows.first().fields["box"]
    assert found == {"value": MEDIAN, "votes": 5, "found": 3, "agreement": 0.6, "iou": 1.0}


def test_where_most_draw_none_the_page_says_so_and_draws_none(client):
    campaign, run = close_photos(MIDDLE, None, None)
    row = run.rows.first()
    assert row.fields["box"]["value"] is None
    client.force_login(given.member(campaign.project, "curator"))
    page = client.get(reverse("campaigns:sample", args=[campaign.pk, row.sample_id])).content.decode()
    assert "1 of 3 drew one" in page
    assert "<rect class" not in page.split("masonry")[0]
    assert read_csv(client, run)[0]["box_x0"] == ""


def test_the_last_word_of_an_expert_counts_and_a_model_draws_nothing(tmp_path, settings):
    settings.GEOQUORUM_PSEUDONYM_KEY = "a key of the tests, longer than it need be"
    campaign = given.photo_campaign(given.project(), count=1, quota=2)
    vote(campaign, "house", [{"box": LEFT}])
    said = campaign.votes.get()
    again = {"assignment": said.assignment_id, "client_uuid": uuid.uuid4(), "kind": "answer", "code": "house"}
    services.cast_vote(campaign=campaign, expert=said.expert, ballot=Ballot(**again, answer={"box": RIGHT}))
    path = tmp_path / "model.csv"
    path.write_text(f"sample,voter,code\n{said.sample.key},net,house\n")
    import_vote_file(round=said.round, path=path, by=None, kind="model")
    found = close(campaign).rows.get().fields["box"]
    assert (found["value"], found["votes"]) == (pytest.approx(RIGHT), 1)


def test_posts_get_the_language_that_most_named(client):
    campaign = given.post_campaign(given.project(), count=2)
    vote(campaign, "residential", [{"language": "de"}, {"language": "en"}, {"language": "de"}])
    run = close(campaign)
    row = run.rows.first()
    assert row.fields == {"language": {"value": "de", "votes": 3, "agreement": 0.6667, "counts": {"en": 1, "de": 2}}}
    client.force_login(given.member(campaign.project, "curator"))
    page = client.get(reverse("campaigns:sample", args=[campaign.pk, row.sample_id])).content.decode()
    assert "German: 67 % of 3 votes" in page
    line = read_csv(client, run)[0]
    assert (line["language"], line["language_votes"], line["language_agreement"]) == ("de", "3", "0.6667")
    told = client.get(f"/api/v1/campaigns/{campaign.pk}/runs/{run.pk}/labels").json()["items"][0]
    assert told["fields"]["language"]["value"] == "de"


def test_a_question_without_fields_stores_null_and_has_no_columns(client):
    campaign = given.campaign(given.project(), count=2, quota=2)
    vote(campaign, "3", [None, None])
    run = close(campaign)
    assert set(run.rows.values_list("fields", flat=True)) == {None}
    client.force_login(given.member(campaign.project, "curator"))
    assert list(read_csv(client, run)[0])[-1] == "probability_G"
    told = client.get(f"/api/v1/campaigns/{campaign.pk}/consensus").json()["items"][0]
    assert told["fields"] is None


def test_a_release_carries_the_fields_in_a_column_of_its_own():
    _campaign, run = close_photos(MIDDLE, MIDDLE)
    city = run.rows.first().sample.region.name
    design = {"kind": "city", "validation": [], "test": [city]}
    made = releases.start_release(run=run, name="photos", modalities=given.MODALITIES, design=design, by=None)
    given.work(made.job, releases.build)
    made.refresh_from_db()
    table = pq.read_table(f"{made.uri}/samples.parquet")
    assert '"value": [0.1, 0.2, 0.6, 0.7]' in table.column("fields")[0].as_py()
