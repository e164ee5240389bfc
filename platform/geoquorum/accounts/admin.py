"""Accounts in the administration: people, projects, roles. The record of events is read only."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from geoquorum.accounts.forms import StaffSignInForm
from geoquorum.accounts.models import Event, Membership, Project, User

admin.site.login_form = StaffSignInForm
admin.site.register(User, UserAdmin)


class MembershipInline(admin.TabularInline):
    """Members of a project with their roles."""

    model = Membership
    extra = 0
    autocomplete_fields = ["user"]


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):
    """Projects with their members."""

    list_display = ["name", "slug", "is_simulated", "created_at"]
    search_fields = ["name", "slug"]
    inlines = [MembershipInline]


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):
    """The append-only record."""

    list_display = ["at", "project", "action", "subject"]
    list_filter = ["action", "project"]
    list_select_related = ["project"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        return False
