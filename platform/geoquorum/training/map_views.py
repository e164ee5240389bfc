"""Pages of maps: where is what, how sure is that, and where does the network not know the ground."""

from pathlib import Path
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from fusion.errors import GeoquorumError
from geoquorum.accounts.models import Role, User
from geoquorum.accounts.services import has_role, require_role
from geoquorum.campaigns.models import CampaignState, RoundSample
from geoquorum.catalog.models import Region
from geoquorum.training import layers, map_pages, mapping
from geoquorum.training.models import MapProduct, Run, RunState
from geoquorum.training.withheld import holds_region


@login_required
@require_POST
def start_map(request: HttpRequest, run_id: int) -> HttpResponse:
    """Draws a region's map with this run."""
    run = get_object_or_404(Run.objects.select_related("project", "version"), pk=run_id)
    require_role(user=request.user, project=run.project, minimum=Role.CURATOR)
    region = get_object_or_404(Region, pk=_number(request.POST.get("region", "")), project=run.project)
    draws = request.POST.get("dropout_draws", "")
    options = {"probabilities": "probabilities" in request.POST, "dropout_draws": _number(draws) if draws else 0}
    try:
        product = mapping.start_map(run=run, region=region, by=request.user, options=options)
    except GeoquorumError as error:
        messages.error(request, str(error))
        return redirect("training:run", run.pk)
    return redirect("training:map", product.pk)


@login_required
@require_POST
def cancel_map(request: HttpRequest, map_id: int) -> HttpResponse:
    """Asks a map to stop; what is drawn of it is kept for the next time."""
    product = find_map(request.user, map_id)
    require_role(user=request.user, project=product.run.project, minimum=Role.CURATOR)
    mapping.cancel_map(product=product, by=request.user)
    messages.info(request, _("The map stops; tiles that are drawn are kept for the next time."))
    return redirect("training:map", product.pk)


@login_required
@require_safe
def show_map(request: HttpRequest, map_id: int) -> HttpResponse:
    """A map over the imagery, its doubts, and the reference beside it where there is one."""
    product = find_map(request.user, map_id)
    context: dict[str, Any] = {
        "map": product,
        "tiles": layers.basemap(),
        "is_curator": has_role(user=request.user, project=product.run.project, minimum=Role.CURATOR),
    }
    if product.state == RunState.DONE:
        context |= map_pages.describe(product)
    return render(request, "training/map.html", context)


@login_required
@require_safe
def show_layer(request: HttpRequest, map_id: int, layer: str) -> HttpResponse:
    """One layer of a map as PNG in web-mercator pixels: classes, one of its bands, imagery or reference."""
    product = find_map(request.user, map_id)
    if product.state != RunState.DONE or layer not in layers.list_layers(product):
        raise Http404
    image, _bounds = layers.draw_layer(product, layer)
    headers = {"Cache-Control": "private, max-age=3600"}
    return HttpResponse(image, content_type="image/png", headers=headers)


@login_required
@require_safe
def download_map(request: HttpRequest, map_id: int, part: str) -> FileResponse:
    """A GeoTIFF of the map: its classes or values, its bands of per cent, the probabilities of its classes."""
    return send_map(request.user, map_id, part)


def send_map(user: User, map_id: int, part: str) -> FileResponse:
    """A file of a map that stands, for whoever may see the map."""
    product = find_map(user, map_id)
    uri = map_pages.list_files(product).get(part)
    if not uri or product.state != RunState.DONE:
        raise Http404
    path = Path(uri)
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="image/tiff")


def find_map(user: User, map_id: int) -> MapProduct:
    """A map, unless its region is being voted on blindly and one is only an expert there."""
    product = get_object_or_404(
        MapProduct.objects.select_related("run__project", "run__version", "region", "job"), pk=map_id
    )
    project = product.run.project
    require_role(user=user, project=project, minimum=Role.EXPERT)
    is_voted_on = RoundSample.objects.filter(
        sample__region=product.region, round__campaign__state=CampaignState.OPEN
    ).exists()
    is_curator = has_role(user=user, project=project, minimum=Role.CURATOR)
    if is_voted_on and not is_curator:
        raise PermissionDenied(_("This city is being voted on blindly; its map is shown when the campaign is closed."))
    if not is_curator and holds_region(product.region):
        raise PermissionDenied(
            _("A contest holds labels of this city back; its maps beside references are for curators.")
        )
    return product


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise Http404
    return int(text)
