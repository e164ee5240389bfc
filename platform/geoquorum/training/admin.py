"""Runs in the administration pages."""

from django.contrib import admin

from geoquorum.training.models import MapProduct, Run


@admin.register(Run)
class RunAdmin(admin.ModelAdmin):
    list_display = ("name", "project", "task", "state", "created_at")
    list_select_related = ("project",)
    list_filter = ("state", "task")
    raw_id_fields = ("version", "parent", "job")


@admin.register(MapProduct)
class MapProductAdmin(admin.ModelAdmin):
    list_display = ("run", "region", "state")
    list_select_related = ("run", "region")
    raw_id_fields = ("run", "checkpoint", "region", "job")
