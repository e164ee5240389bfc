"""Pictures and stored values of samples, and the pages of regions. Media reach a browser only through here."""

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from fusion import modality as modalities
from fusion.errors import GeoquorumError
from geoquorum.accounts.current import projects_in_view
from geoquorum.accounts.models import Role
from geoquorum.accounts.services import require_role
from geoquorum.catalog import looks, media, pictures, pixels, sites
from geoquorum.catalog.answers import refuse, respond
from geoquorum.catalog.footprints import lay_out
from geoquorum.catalog.linking import tell_linked
from geoquorum.catalog.models import Asset, Region, Sample, Scene
from geoquorum.catalog.registering import tell_scenes

COUNTS = {
    f"{kind}_count": Count("samples", distinct=True, filter=Q(samples__kind=kind))
    for kind in (Sample.Kind.PATCH, Sample.Kind.STREET_VIEW, Sample.Kind.POST)
}
CONTEXTS = {"1": 1, "3": 3, "5": 5, "9": 9, "15": 15, "21": 21}


@login_required
@require_GET
def show_picture(request: HttpRequest, sample_id: int, modality: str, view: str) -> HttpResponse:
    """PNG of one view of one sample; `?season=summer` picks a date, `?context=3` shows 3 x 3 cells."""
    sample = _sample(request, sample_id)
    context = CONTEXTS.get(request.GET.get("context", "1"))
    if context is None:
        return refuse(f"context must be one of {', '.join(CONTEXTS)}.")
    try:
        site = sites.find_site(sample, modality)
        image = (
            sites.draw_site(site, sample, view, context=context)
            if site is not None
            else pictures.picture(sample, modality, view, season=_season(request), context=context)
        )
    except GeoquorumError as error:
        return refuse(str(error))
    return respond(request, image, "image/png")


@login_required
@require_GET
def show_photo(request: HttpRequest, sample_id: int) -> HttpResponse:
    """The photo of a street view or of a post, without metadata; its type comes from our own list."""
    photo = media.find_photo(_sample(request, sample_id))
    if photo is None:
        raise Http404("This sample has no photo.")
    try:
        content = media.read_media(photo)
    except GeoquorumError as error:
        return refuse(str(error))
    return respond(request, content, media.CONTENT_TYPES[photo.driver])


@login_required
@require_GET
def show_values(request: HttpRequest, sample_id: int, modality: str) -> HttpResponse:
    """Stored values [band, y, x] of one sample, little-endian; shape, dtype, scale, offset and bands in the headers."""
    sample = _sample(request, sample_id)
    try:
        declared = modalities.find(modality)
        read = pixels.read_values(sample, modality, _season(request))
    except GeoquorumError as error:
        return refuse(str(error))
    values = read.values[0]
    body = values.astype(values.dtype.newbyteorder("<")).tobytes()
    response = respond(request, body, "application/octet-stream")
    response["X-Shape"] = ",".join(map(str, values.shape))
    response["X-Dtype"] = values.dtype.name
    response["X-Scale"] = repr(declared.scale)
    response["X-Offset"] = repr(read.offset)
    response["X-Bands"] = ",".join(read.bands)
    return response


@login_required
@require_GET
def show_scene(request: HttpRequest, scene_id: int) -> HttpResponse:
    """PNG of a whole scene, north up."""
    scene = get_object_or_404(Scene.objects.select_related("project"), pk=scene_id)
    require_role(user=request.user, project=scene.project, minimum=Role.EXPERT)
    try:
        return respond(request, looks.draw_scene(scene), "image/png")
    except GeoquorumError as error:
        return refuse(str(error))


@login_required
@require_GET
def show_asset(request: HttpRequest, asset_id: int) -> HttpResponse:
    """PNG of a file of a region: points, shapes, a series, a video's first frame, an array."""
    asset = get_object_or_404(Asset.objects.select_related("project").exclude(region=None), pk=asset_id)
    require_role(user=request.user, project=asset.project, minimum=Role.EXPERT)
    try:
        return respond(request, looks.draw_asset(asset), "image/png")
    except GeoquorumError as error:
        return refuse(str(error))


@login_required
@require_GET
def list_regions(request: HttpRequest) -> HttpResponse:
    """Regions of one's projects with what is known of each."""
    regions = (
        Region.objects.filter(project__in=projects_in_view(request))
        .select_related("project")
        .annotate(**COUNTS, scenes_count=Count("scenes", distinct=True))
        .order_by("project__name", "name")
    )
    curated = projects_in_view(request).filter(
        memberships__user=request.user, memberships__role__in=(Role.CURATOR, Role.ADMIN)
    )
    return render(request, "catalog/regions.html", {"regions": regions, "curated": curated.order_by("name")})


@login_required
@require_GET
def show_region(request: HttpRequest, region_id: int) -> HttpResponse:
    """One region: its scenes, its patches, and a first look at them."""
    region = get_object_or_404(Region.objects.select_related("project"), pk=region_id)
    require_role(user=request.user, project=region.project, minimum=Role.EXPERT)
    samples = region.samples.filter(kind=Sample.Kind.PATCH).order_by("-latitude", "longitude")
    scenes = list(region.scenes.prefetch_related("assets").order_by("modality", "captured_from", "pk"))
    files = list(region.assets.order_by("modality", "pk"))
    registered = tell_scenes(region, scenes)
    return render(
        request,
        "catalog/region.html",
        {
            "region": region,
            "scenes": [(scene, registered[scene.pk]) for scene in scenes],
            "map": lay_out(region, scenes, files),
            "linked": tell_linked(region),
            "samples_count": samples.count(),
            "samples": samples[:60],
            "picture": _first_picture(region),
            "photos": region.samples.filter(kind=Sample.Kind.STREET_VIEW).order_by("pk")[:24],
            "photos_count": region.samples.filter(kind=Sample.Kind.STREET_VIEW).count(),
            "posts_count": region.samples.filter(kind=Sample.Kind.POST).count(),
        },
    )


def _first_picture(region: Region) -> dict[str, str]:
    """The view that shows a patch best: true colour where there is one, else the first view of the first scene."""
    choices = [
        {"modality": scene.modality, "view": view.name, "season": scene.season}
        for scene in region.scenes.prefetch_related("assets").order_by("-season", "pk")
        for view in looks.list_views(scene)[:1]
    ]
    return max(choices, key=lambda one: one["view"] == "true_colour", default={})


def _season(request: HttpRequest) -> str:
    """The season asked for; PostgreSQL knows no NUL, so that no season has one."""
    return request.GET.get("season", "").replace("\0", "?")


def _sample(request: HttpRequest, sample_id: int) -> Sample:
    sample = get_object_or_404(Sample.objects.select_related("region", "project"), pk=sample_id)
    require_role(user=request.user, project=sample.project, minimum=Role.EXPERT)
    return sample
