"""Which project a person is looking at: kept in the session, checked against the memberships each time."""

from django.db.models import QuerySet
from django.http import HttpRequest

from geoquorum.accounts.models import Project
from geoquorum.accounts.services import projects_of

SESSION_KEY = "project"


def current_project(request: HttpRequest) -> Project | None:
    """The chosen project, or None for all; a choice that is no longer allowed is forgotten."""
    slug = request.session.get(SESSION_KEY)
    return projects_of(request.user).filter(slug=slug).first() if slug else None


def projects_in_view(request: HttpRequest) -> QuerySet[Project]:
    """The projects whose things a list shows: the chosen one, or all of the person's."""
    projects = projects_of(request.user)
    chosen = current_project(request)
    return projects.filter(pk=chosen.pk) if chosen else projects


def choose_project(request: HttpRequest, slug: str) -> None:
    """Remembers a choice; an empty or unknown slug means all."""
    request.session[SESSION_KEY] = slug if projects_of(request.user).filter(slug=slug).exists() else ""
