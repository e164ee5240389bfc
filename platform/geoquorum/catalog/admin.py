"""The catalog in the administration pages."""

from django.contrib import admin

from geoquorum.catalog.models import Asset, Link, Region, Sample, Scene


@admin.register(Region)
class RegionAdmin(admin.ModelAdmin):
    list_display = ("name", "project", "epsg", "is_simulated")
    list_select_related = ("project",)
    search_fields = ("name", "slug")


@admin.register(Scene)
class SceneAdmin(admin.ModelAdmin):
    list_display = ("name", "region", "modality", "season", "captured_from")
    list_select_related = ("region",)
    list_filter = ("modality",)


@admin.register(Sample)
class SampleAdmin(admin.ModelAdmin):
    list_display = ("key", "kind", "region", "captured_from")
    list_select_related = ("region",)
    search_fields = ("key", "cell")
    raw_id_fields = ("region", "parent")


@admin.register(Asset)
class AssetAdmin(admin.ModelAdmin):
    list_display = ("uri", "modality", "sha256", "size_bytes")
    raw_id_fields = ("scene", "sample")


@admin.register(Link)
class LinkAdmin(admin.ModelAdmin):
    list_display = ("sample", "kind", "name", "distance_m", "share")
    list_select_related = ("sample",)
    list_filter = ("kind",)
    raw_id_fields = ("region", "sample", "other", "asset")
