"""Regions, scenes, assets, samples, links and references. SQL holds where pixels lie and their hash, never pixels."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class Region(models.Model):
    """A part of the Earth that is looked at as one: a city, usually. Bounds are degrees of WGS 84."""

    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, related_name="regions")
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=80)
    culture_zone = models.CharField(max_length=60, blank=True)
    epsg = models.PositiveIntegerField(null=True)
    west = models.FloatField(null=True)
    south = models.FloatField(null=True)
    east = models.FloatField(null=True)
    north = models.FloatField(null=True)
    is_simulated = models.BooleanField(default=False)
    attributes = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="region_slug_once")]

    def __str__(self) -> str:
        return self.name


class Scene(models.Model):
    """One acquisition of one modality over a region, on its own raster grid; its assets hold the bands."""

    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, related_name="scenes")
    region = models.ForeignKey(Region, on_delete=models.CASCADE, related_name="scenes")
    modality = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    season = models.CharField(max_length=20, blank=True)
    captured_from = models.DateTimeField(null=True)
    captured_to = models.DateTimeField(null=True)
    epsg = models.PositiveIntegerField(null=True)
    west = models.FloatField(null=True)
    south = models.FloatField(null=True)
    east = models.FloatField(null=True)
    north = models.FloatField(null=True)
    invalid_share = models.FloatField(default=0.0)
    is_simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["region", "modality", "name"], name="scene_once")]

    def __str__(self) -> str:
        return self.name


class Sample(models.Model):
    """A thing on the ground that can be looked at and labelled.

    `cell` is the grid cell's id and only joins. A sample without a place (benchmark patches, photos without position)
    has no longitude, latitude, EPSG or footprint: what needs a place says so. `transform` is (a, b, c, d, e, f).
    """

    class Kind(models.TextChoices):
        PATCH = "patch", _("patch")
        AREA = "area", _("area")
        STREET_VIEW = "street_view", _("street view")
        POST = "post", _("post")
        CLIP = "clip", _("clip")
        FRAME = "frame", _("frame")
        PHOTO = "photo", _("photo")

    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, related_name="samples")
    region = models.ForeignKey(Region, on_delete=models.CASCADE, null=True, related_name="samples")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="children")
    kind = models.CharField(max_length=12, choices=Kind)
    key = models.CharField(max_length=120)
    cell = models.CharField(max_length=40, blank=True)
    block = models.CharField(max_length=60, blank=True)
    longitude = models.FloatField(null=True)
    latitude = models.FloatField(null=True)
    heading_deg = models.FloatField(null=True)
    field_of_view_deg = models.FloatField(null=True)
    footprint = models.JSONField(null=True)
    epsg = models.PositiveIntegerField(null=True)
    transform = ArrayField(models.FloatField(), size=6, null=True)
    width_px = models.PositiveIntegerField(null=True)
    height_px = models.PositiveIntegerField(null=True)
    pixel_size_m = models.FloatField(null=True)
    captured_from = models.DateTimeField(null=True)
    captured_to = models.DateTimeField(null=True)
    text = models.TextField(blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    is_simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "kind", "key"], name="sample_key_once"),
            models.CheckConstraint(
                condition=models.Q(longitude__isnull=True, latitude__isnull=True)
                | models.Q(longitude__gte=-180, longitude__lte=180, latitude__gte=-90, latitude__lte=90),
                name="sample_place_is_on_earth",
            ),
        ]
        indexes = [models.Index(fields=["project", "cell"], name="sample_cell")]

    def __str__(self) -> str:
        return self.key

    @property
    def has_place(self) -> bool:
        return self.longitude is not None


class Asset(models.Model):
    """Where one modality of one scene or sample lies. Physical value = (stored + offset) * scale.

    Of a region alone is what lies on no raster grid of its own: points, shapes, series, videos, arrays without a place.
    `attributes` holds what is known beside: wavelengths, ranges, layers, notes, the file that a raster was made of.
    """

    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, related_name="assets")
    region = models.ForeignKey(Region, on_delete=models.CASCADE, null=True, related_name="assets")
    scene = models.ForeignKey(Scene, on_delete=models.CASCADE, null=True, related_name="assets")
    sample = models.ForeignKey(Sample, on_delete=models.CASCADE, null=True, related_name="assets")
    modality = models.CharField(max_length=40)
    uri = models.TextField()
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    driver = models.CharField(max_length=20)
    bands = ArrayField(models.CharField(max_length=40))
    dtype = models.CharField(max_length=20)
    nodata = models.FloatField(null=True)
    scale = models.FloatField(default=1.0)
    offset = models.FloatField(default=0.0)
    epsg = models.PositiveIntegerField(null=True)
    transform = ArrayField(models.FloatField(), size=6, null=True)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    west = models.FloatField(null=True)
    south = models.FloatField(null=True)
    east = models.FloatField(null=True)
    north = models.FloatField(null=True)
    captured_from = models.DateTimeField(null=True)
    captured_to = models.DateTimeField(null=True)
    attributes = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scene__isnull=False, sample__isnull=True, region__isnull=True)
                | models.Q(scene__isnull=True, sample__isnull=False, region__isnull=True)
                | models.Q(scene__isnull=True, sample__isnull=True, region__isnull=False),
                name="asset_of_one_owner",
            ),
            models.UniqueConstraint(fields=["region", "uri"], name="asset_region_uri_once"),
            models.UniqueConstraint(fields=["scene", "uri"], name="asset_scene_uri_once"),
            models.UniqueConstraint(fields=["sample", "modality", "uri"], name="asset_sample_uri_once"),
        ]

    def __str__(self) -> str:
        return self.uri


class Post(models.Model):
    """The words of a social-media post. Handles, addresses and numbers are taken out before they are stored.

    `author` and `source_key` are keyed hashes (HMAC-SHA-256; the key lies outside the database): still personal data,
    but of no use without the key. Erasing empties the words and both hashes; the sample and its votes stay.
    """

    sample = models.OneToOneField(Sample, on_delete=models.CASCADE, related_name="post")
    text = models.TextField(blank=True)
    language = models.CharField(max_length=12, blank=True)
    posted_at = models.DateTimeField(null=True)
    author = models.CharField(max_length=64, blank=True, db_index=True)
    source_key = models.CharField(max_length=64, blank=True, db_index=True)
    erased_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.text[:60]


class Reference(models.Model):
    """What is known of a sample from elsewhere (simulated truth, a hand label, gold); hidden from experts who vote."""

    sample = models.ForeignKey(Sample, on_delete=models.CASCADE, related_name="references")
    scheme = models.CharField(max_length=40)
    code = models.CharField(max_length=40)
    source = models.CharField(max_length=80)
    distribution = ArrayField(models.FloatField(), null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sample", "scheme", "source"], name="reference_once")]

    def __str__(self) -> str:
        return f"{self.code} ({self.source})"


class Link(models.Model):
    """What belongs to a patch by place: another sample, or a file of its region; one row for each pair.

    `distance_m` is from the patch's centre, null where the other's place is not known; `lag_s` from the time that the
    patch shows to the other's, 0 while both last; `off_axis_deg` how far the centre lies from the middle of what a
    photo looks at; `share` of the patch's ground that a photo looks at or a file covers; `count` of shapes on it.
    `name` says which part of a file it is, such as the station. Rows are made anew with their region (catalog.linking).
    """

    class Kind(models.TextChoices):
        PHOTO = "photo", _("street photo")
        POST = "post", _("post")
        STATION = "station", _("weather station")
        FOOTPRINTS = "footprints", _("building footprints")
        SHAPES = "shapes", _("other shapes")
        HEIGHTS = "heights", _("heights")
        MAP = "map", _("map")
        VIDEO = "video", _("video")

    region = models.ForeignKey(Region, on_delete=models.CASCADE, related_name="links")
    sample = models.ForeignKey(Sample, on_delete=models.CASCADE, related_name="links", db_index=False)
    other = models.ForeignKey(Sample, on_delete=models.CASCADE, null=True, related_name="links_to")
    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, null=True, related_name="links")
    kind = models.CharField(max_length=12, choices=Kind)
    name = models.CharField(max_length=120, blank=True)
    distance_m = models.FloatField(null=True)
    lag_s = models.FloatField(null=True)
    off_axis_deg = models.FloatField(null=True)
    share = models.FloatField(null=True)
    count = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(other__isnull=False, asset__isnull=True)
                | models.Q(other__isnull=True, asset__isnull=False),
                name="link_to_one_thing",
            ),
            models.CheckConstraint(
                condition=models.Q(share__isnull=True) | models.Q(share__gte=0, share__lte=1),
                name="link_share_is_a_part",
            ),
            models.UniqueConstraint(fields=["sample", "other"], name="link_sample_other_once"),
            models.UniqueConstraint(fields=["sample", "asset"], name="link_sample_asset_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.sample_id}"


class HeldBack(models.Model):
    """The label of a sample is for curators alone, whatever is closed or released: it is the hidden test of a contest.

    `reason` says of which, such as `benchmark 12`; a sample may be held back for several.
    """

    sample = models.ForeignKey(Sample, on_delete=models.CASCADE, related_name="held_back")
    reason = models.CharField(max_length=60)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sample", "reason"], name="held_back_once")]
        indexes = [models.Index(fields=["reason"], name="held_back_reason")]

    def __str__(self) -> str:
        return f"{self.sample} ({self.reason})"
