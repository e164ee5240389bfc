"""Maps over the API: draw a region with a run, see what is known of the map, stop it, take its files."""

from typing import Annotated, Any

from django.http import FileResponse, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Router, Schema, Status
from pydantic import ConfigDict

from geoquorum.accounts.doors import enter
from geoquorum.accounts.models import Role, Token
from geoquorum.accounts.services import require_role
from geoquorum.catalog.models import Region
from geoquorum.training import map_pages, map_views, mapping
from geoquorum.training.models import MapProduct, Run

router = Router(tags=["training"])
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


class MapIn(Schema):
    """Which region, and what is to be known beside its classes; `checkpoints` are numbers of runs of the same task."""

    model_config = ConfigDict(extra="forbid")

    region: Id
    probabilities: bool = False
    dropout_draws: Annotated[int, Field(ge=0, le=mapping.MOST_DRAWS)] = 0
    checkpoints: Annotated[list[Id], Field(max_length=32)] = Field(default_factory=list)


class MapOut(Schema):
    """One map. `bands` are those of its file `layers`; `areas` are shares of the ground with intervals, by class."""

    id: int
    run: int
    region: int
    state: str
    reason: str
    progress: float
    options: dict[str, Any]
    bounds: list[float | None] | None
    pixel_m: float | None
    bands: list[str]
    shares: dict[str, float]
    areas: dict[str, dict[str, float]] | None
    flagged: float | None
    agreement: dict[str, Any] | None
    files: list[str]


@router.post("/runs/{int:run_id}/maps", response={201: MapOut}, operation_id="start_map")
def start_map(request: HttpRequest, run_id: int, wanted: MapIn) -> Any:
    """Draw a region's map; one that stands, waits or is drawn with the same options is answered."""
    run = get_object_or_404(Run.objects.select_related("project", "version"), pk=run_id)
    require_role(user=request.user, project=run.project, minimum=Role.CURATOR)
    region = get_object_or_404(Region, pk=wanted.region, project=run.project)
    options = wanted.dict(exclude={"region"})
    return Status(201, _tell(mapping.start_map(run=run, region=region, by=request.user, options=options)))


@router.get("/maps/{int:map_id}", response=MapOut, operation_id="show_map")
def show_map(request: HttpRequest, map_id: int) -> Any:
    """One map with its areas, its agreement with what is known, and the names of its files."""
    return _tell(map_views.find_map(request.user, map_id))


@router.post("/maps/{int:map_id}/cancel", response=MapOut, operation_id="cancel_map")
def cancel_map(request: HttpRequest, map_id: int) -> Any:
    """Ask a map to stop; the tiles that are drawn stay for the next time."""
    product = map_views.find_map(request.user, map_id)
    require_role(user=request.user, project=product.run.project, minimum=Role.CURATOR)
    mapping.cancel_map(product=product, by=request.user)
    product.refresh_from_db()
    return _tell(product)


@router.get(
    "/maps/{int:map_id}/files/{part}",
    auth=enter(Token.Scope.EXPORT),
    operation_id="download_map",
    openapi_extra={
        "responses": {200: {"description": "the GeoTIFF", "content": {"image/tiff": {"schema": {}}}}},
    },
)
def download_map(request: HttpRequest, map_id: int, part: Annotated[str, Field(max_length=20)]) -> FileResponse:
    """One GeoTIFF of a map, by a name in `files`."""
    return map_views.send_map(request.user, map_id, part)


def _tell(product: MapProduct) -> dict[str, Any]:
    summary = product.summary
    return {
        "id": product.pk,
        "run": product.run_id,
        "region": product.region_id,
        "state": product.state,
        "reason": product.reason,
        "progress": product.job.progress if product.job else 0.0,
        "options": product.options,
        "bounds": product.bounds,
        "pixel_m": summary.get("pixel_m"),
        "bands": summary.get("bands", []),
        "shares": summary.get("shares", {}),
        "areas": summary.get("areas"),
        "flagged": summary.get("flagged"),
        "agreement": summary.get("agreement"),
        "files": list(map_pages.list_files(product)),
    }
