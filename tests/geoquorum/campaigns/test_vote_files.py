"""Votes of other tools come in by file, whole or not at all."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from annotation.exchange.label_studio import TaskVote, write_tasks
from fusion.errors import BadInputError
from geoquorum.accounts.models import Expert
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Round, Vote
from geoquorum.campaigns.services import exports
from geoquorum.campaigns.services.vote_files import import_vote_file
from tests import given

pytestmark = pytest.mark.django_db


def make_round(**fields: Any) -> Round:
    return services.current_round(campaign=given.campaign(given.project(), count=3, **fields))


def keys(round: Round) -> list[str]:
    return list(round.round_samples.order_by("sample").values_list("sample__key", flat=True))


def take(folder: Path, round: Round, text: str, name: str = "votes.csv") -> int:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return import_vote_file(round=round, path=path, by=None)


def test_a_csv_of_votes_comes_in_by_the_samples_keys(tmp_path: Path) -> None:
    round = make_round()
    a, b, _c = keys(round)
    text = f"sample,voter,code,skip_reason,is_sure,decided_at\n{a},ann,3,,true,2026-05-01T12:00:00Z\n{b},ann,,2,,\n"
    assert take(tmp_path, round, text) == 2
    answer, skip = Vote.objects.filter(round=round).order_by("pk")
    assert (answer.sample.key, answer.code, answer.decided_at.hour) == (a, "3", 12)
    assert (skip.sample.key, skip.kind, skip.skip_reason) == (b, "skip", "2")
    assert Expert.objects.get(pseudonym="ann").kind == Expert.Kind.PERSON


def test_an_export_of_ours_comes_in_again_after_choosing_its_columns(tmp_path: Path) -> None:
    first, second = make_round(), make_round()
    a, b, c = keys(first)
    take(tmp_path, first, f"sample,voter,code\n{a},ann,3\n{b},bea,A\n{c},ann,10\n")
    data = b"".join(exports.stream_votes(campaign=first.campaign, form="parquet"))
    table = parquet.read_table(io.BytesIO(data), columns=["sample", "voter", "code", "decided_at", "is_sure"])
    renamed = dict(zip(keys(first), keys(second), strict=True))
    path = tmp_path / "again.parquet"
    samples = [renamed[key] for key in table["sample"].to_pylist()]
    parquet.write_table(table.set_column(0, "sample", [samples]), path)
    assert import_vote_file(round=second, path=path, by=None) == 3
    assert [services.latest_votes(round=round).answer.tolist() for round in (first, second)] == [[2, 10, 9]] * 2


def test_label_studio_votes_come_in(tmp_path: Path) -> None:
    round = make_round()
    votes = [TaskVote(voter="X1", code="2"), TaskVote(voter="X2", skip_reason="3")]
    assert take(tmp_path, round, "".join(write_tasks([(keys(round)[0], {}, votes)])), "tasks.json") == 2
    assert sorted(Vote.objects.values_list("code", "skip_reason")) == [("", "3"), ("2", "")]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("sample,voter,code\n{a},ann,3\nnowhere,ann,3\n", "line 3 names sample 'nowhere'"),
        ("sample,voter,code\n{a},ann,99\n{b},ann,3\n{b},bea,x\n", "line 2 has code '99'.*line 4 has code 'x'"),
        ("sample,voter,code\n{a},ann,3\n{a},ann,4\n", "line 3 is a second vote"),
        ("sample,voter,code\n{a},,3\n", "line 2 names no voter"),
        ("sample,voter,code\n,ann,3\n", "line 2 names no sample"),
        ("sample,voter,code\n{a},ann,\n", "line 2 must have either"),
        ("sample,voter,code\n{a},ann,3\n{a},bea,3\n{a},cyd,3\n{a},dan,3\n", "line 5 gives sample"),
        ("sample,voter,label\n{a},ann,3\n", "columns missing: code; unknown: label"),
        ("sample,voter,code\n{a}\0,ann,3\n", "line 2 holds a NUL"),
    ],
)
def test_each_bad_line_is_named_and_nothing_is_stored(tmp_path: Path, text: str, match: str) -> None:
    round = make_round()
    a, b, _c = keys(round)
    with pytest.raises(BadInputError, match=match):
        take(tmp_path, round, text.replace("{a}", a).replace("{b}", b))
    assert not Vote.objects.exists()
    assert not Expert.objects.exists()


def test_votes_imported_into_an_adaptive_round_are_believed_when_the_sample_is_next_looked_at(tmp_path: Path) -> None:
    policy = {"kind": "adaptive", "minimum": 2, "maximum": 5, "settle_at": 0.9}
    round = make_round(quota=5, policy=policy)
    a, *_rest = keys(round)
    take(tmp_path, round, f"sample,voter,code\n{a},ann,3\n{a},bea,3\n{a},cyd,3\n")
    expert = given.expert(round.campaign.project)
    claimed = services.claim(round=round, expert=expert, session=None, count=3)
    assert a not in {assignment.sample.key for assignment in claimed}
    row = round.round_samples.get(sample__key=a)
    assert row.answered == 3
    assert row.settled_at is not None


def test_commands_import_and_export_and_never_overwrite(tmp_path: Path) -> None:
    round = make_round()
    path, out = tmp_path / "votes.csv", tmp_path / "all.jsonl"
    path.write_text(f"sample,voter,code\n{keys(round)[0]},ann,3\n")
    said = io.StringIO()
    call_command("import_votes", str(path), campaign=round.campaign_id, stdout=said)
    assert "1 votes are new" in said.getvalue()
    with pytest.raises(CommandError, match="is not closed"):
        call_command("export_votes", f"--campaign={round.campaign_id}", f"--out={out}")
    services.close_campaign(campaign=round.campaign, by=None)
    call_command("export_votes", f"--campaign={round.campaign_id}", f"--out={out}", stdout=said)
    assert json.loads(out.read_text())["code"] == "3"
    with pytest.raises(CommandError, match="nothing is overwritten"):
        call_command("export_votes", f"--campaign={round.campaign_id}", f"--out={out}")
    with pytest.raises(CommandError, match="closed; its votes are final"):
        call_command("import_votes", str(path), campaign=round.campaign_id)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["all.jsonl", "votes.csv"]


def test_curators_import_votes_by_http_and_others_cannot(client: Client) -> None:
    round = make_round()
    project = round.campaign.project
    address = f"/api/v1/campaigns/{round.campaign_id}/votes/import"
    text = f"sample,voter,code\n{keys(round)[0]},ann,3\n".encode()
    for user, status in ((given.member(project), 403), (given.user(), 404), (given.member(project, "curator"), 200)):
        client.force_login(user)
        answer = client.post(address, {"file": SimpleUploadedFile("votes.csv", text)})
        assert answer.status_code == status
    assert Vote.objects.get().code == "3"
    assert client.post(address, {"file": SimpleUploadedFile("votes.csv", text)}).status_code == 400
    assert Vote.objects.count() == 1
