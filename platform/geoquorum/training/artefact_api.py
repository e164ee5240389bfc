"""Files of finished runs over the API: have them made, list them, take them."""

from typing import Annotated, Any

from django.http import FileResponse, HttpRequest
from ninja import Field, Router, Schema, Status

from geoquorum.accounts.doors import enter
from geoquorum.accounts.models import Token
from geoquorum.training import artefact_views, artefacts
from geoquorum.training.models import Run

router = Router(tags=["training"])


class FilesOut(Schema):
    """Names of the files that are there, and how far their making is; `export` is what is known of the ONNX file."""

    run: int
    state: str
    reason: str
    files: dict[str, int]
    bundle_sha256: str
    export: dict[str, Any]


@router.post("/runs/{int:run_id}/files", response={201: FilesOut}, operation_id="make_run_files")
def make_files(request: HttpRequest, run_id: int) -> Any:
    """Have weights, ONNX, model card, STAC item, report and a zip of all made."""
    run = artefact_views.find_run(request.user, run_id)
    artefacts.start(run=run, by=request.user)
    return Status(201, _tell(run))


@router.get("/runs/{int:run_id}/files", response=FilesOut, operation_id="list_run_files")
def list_files(request: HttpRequest, run_id: int) -> Any:
    """Files of a run with their sizes in bytes."""
    return _tell(artefact_views.find_run(request.user, run_id))


@router.get(
    "/runs/{int:run_id}/files/{part}",
    auth=enter(Token.Scope.EXPORT),
    operation_id="download_run_file",
    openapi_extra={
        # Each file has its own media type.
        "responses": {200: {"description": "the file", "content": {"*/*": {"schema": {}}}}},
    },
)
def download_file(request: HttpRequest, run_id: int, part: Annotated[str, Field(max_length=20)]) -> FileResponse:
    """One file of a run, by its name in `files`."""
    return artefact_views.send_file(request.user, run_id, part)


def _tell(run: Run) -> dict[str, Any]:
    job, state = artefacts.find_job(run), artefacts.read_state(run) or {}
    return {
        "run": run.pk,
        "state": job.state if job else "",
        "reason": job.reason if job else "",
        "files": {part: path.stat().st_size for part, path in artefacts.list_files(run).items()},
        "bundle_sha256": state.get("bundle_sha256", ""),
        "export": state.get("export", {}),
    }
