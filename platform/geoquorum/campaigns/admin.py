"""Administration: campaigns can be looked at, votes never changed."""

from django.contrib import admin
from django.http import HttpRequest

from geoquorum.campaigns.models import Campaign, Consensus, ConsensusRun, Round, Session, Vote


class ReadOnlyAdmin(admin.ModelAdmin):
    """Looking only: the services keep the rules, not forms."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Campaign)
class CampaignAdmin(ReadOnlyAdmin):
    list_display = ("name", "project", "question", "scheme", "state", "opened_at", "closed_at")
    list_filter = ("state", "project")


@admin.register(Round)
class RoundAdmin(ReadOnlyAdmin):
    list_display = ("campaign", "number", "purpose", "quota", "closed_at")


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    list_display = ("campaign", "expert", "started_at", "ended_at", "paused_s", "device")


@admin.register(Vote)
class VoteAdmin(ReadOnlyAdmin):
    """Votes of closed campaigns: before the close nobody sees them, the administration included."""

    list_display = ("id", "campaign", "sample", "expert", "kind", "code", "is_sure", "received_at")
    list_select_related = ("campaign", "sample", "expert")
    raw_id_fields = ("assignment", "sample", "session")

    def get_queryset(self, request: HttpRequest):  # type: ignore[no-untyped-def]
        return super().get_queryset(request).filter(campaign__state="closed")


@admin.register(ConsensusRun)
class ConsensusRunAdmin(ReadOnlyAdmin):
    list_display = ("campaign", "round", "method", "state", "votes_count", "samples_count", "ready_at")


@admin.register(Consensus)
class ConsensusAdmin(ReadOnlyAdmin):
    list_display = ("run", "sample", "code", "agreement", "entropy", "status")
    list_select_related = ("run", "sample")
