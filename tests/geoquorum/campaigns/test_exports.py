"""All votes and samples as files: every row, as it was said, in forms that others open."""

import csv
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from django.test import Client

from geoquorum.accounts.models import Event, Role
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign, Vote
from geoquorum.campaigns.services import exports
from tests import given

pytestmark = pytest.mark.django_db


def make_voted(**fields: Any) -> Campaign:
    """Three samples, five imported votes and one correction of a person whose words try everything."""
    campaign = given.campaign(given.project(), count=3, **fields)
    round = services.current_round(campaign=campaign)
    samples = list(round.round_samples.order_by("pk").values_list("sample_id", flat=True))
    table = pa.table(
        {
            "voter": ["a", "b", "=cmd()", "a", "b"],
            "sample": [*samples, *samples[1:]],
            "code": ["3", "A", "10", "", "G"],
            "skip_reason": ["", "", "", "2", ""],
        }
    )
    services.import_votes(round=round, table=table, by=None)
    return campaign


def read(campaign: Campaign, form: Any) -> list[dict[str, Any]]:
    data = b"".join(exports.stream_votes(campaign=campaign, form=form))
    if form == "parquet":
        return list(parquet.read_table(io.BytesIO(data)).to_pylist())
    if form == "csv":
        return list(csv.DictReader(io.StringIO(data.decode())))
    return [json.loads(line) for line in data.splitlines()]


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_every_vote_is_in_the_file_once_in_the_order_of_its_number(form: str) -> None:
    campaign = make_voted()
    given.campaign(campaign.project)  # of whose votes nothing may be seen
    rows = read(campaign, form)
    stored = list(Vote.objects.filter(campaign=campaign).order_by("pk").select_related("sample", "expert"))
    assert [row["vote"].replace("-", "") for row in rows] == [vote.client_uuid.hex for vote in stored]
    assert [row["sample"] for row in rows] == [vote.sample.key for vote in stored]
    assert [(row["kind"], row["code"], row["skip_reason"]) for row in rows] == [
        (vote.kind, vote.code, vote.skip_reason) for vote in stored
    ]


def test_words_stay_as_they_are_in_parquet_and_json_and_are_disarmed_in_csv() -> None:
    campaign = make_voted()
    for form in ("parquet", "jsonl"):
        assert "=cmd()" in {row["voter"] for row in read(campaign, form)}
    voters = {row["voter"] for row in read(campaign, "csv")}
    assert "'=cmd()" in voters
    assert "=cmd()" not in voters


def test_fields_quotes_backslashes_and_lines_survive() -> None:
    campaign = make_voted()
    words = 'a "b"\\n c\n\td, é 🛰'
    Vote.objects.bulk_create([_copy_with_words(Vote.objects.filter(campaign=campaign).order_by("pk")[0], words)])
    for form in ("parquet", "jsonl"):
        last = read(campaign, form)[-1]
        fields = json.loads(last["fields"]) if form == "parquet" else last["fields"]
        assert fields == {"words": words}
        assert last["interface_version"] == words


def _copy_with_words(vote: Vote, words: str) -> Vote:
    fields = ("assignment_id", "campaign_id", "round_id", "sample_id", "expert_id", "code")
    kept = {name: getattr(vote, name) for name in fields}
    return Vote(**kept, revision=1, answer={"words": words}, interface_version=words)


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_a_campaign_without_votes_gives_a_file_without_rows(form: str) -> None:
    assert read(given.campaign(given.project()), form) == []


def test_types_are_those_of_the_columns() -> None:
    data = b"".join(exports.stream_votes(campaign=make_voted(), form="parquet"))
    schema = parquet.read_schema(io.BytesIO(data))
    assert schema.field("received_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("is_sure").type == pa.bool_()
    assert schema.names == list(exports.VOTE_COLUMNS)


@pytest.mark.parametrize("rows", [1, 2])
def test_the_file_is_the_same_whatever_is_held_in_memory(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = make_voted()
    whole = read(campaign, "parquet")
    monkeypatch.setattr(exports, "ROWS", rows)
    assert read(campaign, "parquet") == whole
    assert len(read(campaign, "csv")) == len(whole)


def test_samples_are_exported_without_a_word_about_votes() -> None:
    campaign = make_voted()
    data = b"".join(exports.stream_samples(campaign=campaign, form="parquet"))
    table = parquet.read_table(io.BytesIO(data))
    assert table.num_rows == 3
    assert table.column_names == list(exports.SAMPLE_COLUMNS)
    assert set(table["sample"].to_pylist()) == set(
        campaign.rounds.get().round_samples.values_list("sample__key", flat=True)
    )


def test_votes_are_given_to_curators_after_the_close_and_it_is_recorded(client: Client) -> None:
    campaign = make_voted()
    address = f"/api/v1/campaigns/{campaign.pk}/votes."
    curator, expert = given.member(campaign.project, Role.CURATOR), given.member(campaign.project)
    client.force_login(curator)
    assert client.get(f"{address}csv").status_code == 404
    services.close_campaign(campaign=campaign, by=None)
    for form in ("parquet", "csv", "jsonl"):
        answer = client.get(f"{address}{form}")
        assert answer.status_code == 200
        assert answer["Content-Type"] == exports.MEDIA_TYPES[form]
        assert len(b"".join(answer.streaming_content)) > 100
    assert Event.objects.filter(action="votes exported", actor=curator).count() == 3
    assert client.get(f"{address}xlsx").status_code in (404, 422)
    for other, status in ((expert, 403), (given.user(), 404)):
        client.force_login(other)
        answer = client.get(f"{address}csv")
        assert answer.status_code == status
        assert b"uuid" not in answer.content
