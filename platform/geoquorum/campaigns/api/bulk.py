"""Whole tables in and out: every vote and every sample as Parquet, CSV or JSON lines, streamed."""

from typing import Any, Literal

from django.http import HttpRequest, StreamingHttpResponse
from ninja import File, Router, Schema
from ninja.files import UploadedFile

from geoquorum.accounts.doors import enter
from geoquorum.accounts.models import Role, Token
from geoquorum.accounts.services import record
from geoquorum.campaigns import access, services
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.services import exports
from geoquorum.campaigns.services.vote_files import import_vote_file
from geoquorum.uploads import keep_upload

router = Router()
Form = Literal["parquet", "csv", "jsonl"]
FILES = {kind.partition(";")[0]: {"schema": {}} for kind in exports.MEDIA_TYPES.values()}
VoterKind = Literal["person", "simulated", "model"]


class TakenOut(Schema):
    """How many rows were stored: all of the file."""

    taken: int


@router.get(
    "/{int:campaign_id}/votes.{form}",
    openapi_extra={"responses": {200: {"description": "the file", "content": FILES}}},
    auth=enter(Token.Scope.EXPORT),
    operation_id="export_votes",
)
def export_votes(request: HttpRequest, campaign_id: int, form: Form) -> Any:
    """Every revision of every vote as one file. For curators, once the votes may be seen; it is recorded."""
    campaign = access.find_votes(user=request.user, campaign_id=campaign_id)
    record(
        project=campaign.project,
        actor=request.user,
        action="votes exported",
        subject=f"campaign {campaign.pk}",
        detail={"form": form},
    )
    return _send(exports.stream_votes(campaign=campaign, form=form), campaign, "votes", form)


@router.get(
    "/{int:campaign_id}/samples.{form}",
    openapi_extra={"responses": {200: {"description": "the file", "content": FILES}}},
    auth=enter(Token.Scope.EXPORT),
    operation_id="export_samples",
)
def export_samples(request: HttpRequest, campaign_id: int, form: Form) -> Any:
    """The samples that the campaign asks about, as one file. For curators."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    return _send(exports.stream_samples(campaign=campaign, form=form), campaign, "samples", form)


def _send(pieces: Any, campaign: Campaign, what: str, form: Form) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(pieces, content_type=exports.MEDIA_TYPES[form])
    answer["Content-Disposition"] = f'attachment; filename="{campaign.slug}-{what}.{form}"'
    answer["Cache-Control"] = "no-store"
    return answer


@router.post(
    "/{int:campaign_id}/votes/import",
    response=TakenOut,
    auth=enter(Token.Scope.IMPORT),
    operation_id="import_votes",
)
def import_votes(request: HttpRequest, campaign_id: int, file: File[UploadedFile], kind: VoterKind = "person") -> Any:
    """Votes of a CSV, Parquet or Label Studio file (by its ending) into an open campaign; all or nothing. Curators."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    round = services.current_round(campaign=campaign)
    with keep_upload(file) as path:
        return {"taken": import_vote_file(round=round, path=path, by=request.user, kind=kind, is_upload=True)}
