"""Versions in the administration pages: looked at, never changed."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from geoquorum.releases.models import DatasetVersion


@admin.register(DatasetVersion)
class DatasetVersionAdmin(admin.ModelAdmin):
    list_display = ("name", "number", "project", "state", "created_at")
    list_select_related = ("project",)
    list_filter = ("state",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
