"""A person's keys and display: the page on which they are chosen, and where they are kept."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse, RawPostDataException
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from annotation import question as questions
from fusion import scheme as schemes
from fusion.errors import BadInputError
from geoquorum.accounts.models import User
from geoquorum.accounts.preferences import read_preferences, remember_display, save_preferences
from geoquorum.accounts.services import projects_of
from geoquorum.campaigns.models import Campaign


@login_required
@require_GET
def show_preferences(request: HttpRequest) -> HttpResponse:
    """Keys with who holds them, palette, theme, size of text."""
    config = {"preferences": read_preferences(request.user.pk), "save": reverse("campaigns:save_preferences")}
    context = {"config": config | _list_held(request.user), "lcz": schemes.find("lcz17")}
    return render(request, "campaigns/preferences.html", context)


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """POST the whole object of accounts.preferences -> the same with defaults; 400 {"error": sentence}, none kept."""
    if not request.user.is_authenticated:
        return JsonResponse({"error": "You are signed out. Sign in again."}, status=401)
    try:
        kept = save_preferences(user=request.user, body=request.body)
    except RawPostDataException:  # a form came, and its fields were read in search of the CSRF token
        return JsonResponse({"error": "The body is not JSON."}, status=400)
    except BadInputError as error:
        return JsonResponse({"error": str(error)}, status=400)
    response = JsonResponse(kept)
    remember_display(response, kept)
    return response


def _list_held(user: User) -> dict[str, Any]:
    """Layouts and classes of the campaigns that this person can see: whose keys may be in each other's way."""
    asked = Campaign.objects.filter(project__in=projects_of(user)).values_list("question", "scheme").distinct()
    names = set(asked) or {("lcz_patch", "lcz17")}
    found = sorted({name for _question, name in names})
    return {
        "layouts": sorted({questions.find(name).layout for name, _scheme in names}),
        "classes": [
            {"key": label.key.upper(), "code": label.code, "name": label.name, "scheme": schemes.find(name).title}
            for name in found
            for label in schemes.find(name).classes
        ],
    }
