"""Errors of the API, all of one shape: RFC 9457's application/problem+json, one sentence each, nothing leaked."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.defaults import bad_request
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError

from fusion.errors import GeoquorumError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
API = "/api/"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
MOST_NAMED = 5  # faults of one body that the sentence names
RETRY_AFTER_S = 5


class ProblemOut(Schema):
    """What went wrong; nothing was stored."""

    type: str
    title: str
    status: int
    detail: str


def answer_problem(status: int, detail: str = "") -> JsonResponse:
    """A problem as answer; without `detail` the sentence that every problem of this status gets."""
    known = HTTPStatus(status)
    body = {"type": "about:blank", "title": known.phrase, "status": status, "detail": detail or say(status)}
    answer = JsonResponse(body, status=status, content_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
    if status == HTTPStatus.UNAUTHORIZED:
        answer["WWW-Authenticate"] = 'Bearer realm="geoquorum"'
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        answer["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def say(status: int) -> str:
    """What to do next, where the fault itself says nothing that may be passed on."""
    sentences = {
        400: _("The request cannot be read."),
        401: _("Sign in, or send a token: Authorization: Bearer ..."),
        403: _("This needs a role, a scope or a CSRF token that the request does not have."),
        404: _("There is no such thing here, or it is not yours to see."),
        405: _("This address does not take this method; the Allow header names those it takes."),
        413: _("The body is too large."),
        503: _("The database does not answer; nothing was stored. Try again in a moment."),
    }
    return sentences.get(status, _("The request failed; nothing is known to have been stored."))


def catch_problems(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: below /api/ every error is a problem, whoever answered it (a wrong host, method, address, a bug)."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        is_error = response.status_code >= 400 and request.path_info.startswith(API)
        if not is_error or response.get("Content-Type", "").startswith(MEDIA_TYPE):
            return response
        problem = answer_problem(response.status_code)
        for name, value in response.headers.items():
            if not name.startswith("Content-"):
                problem.setdefault(name, value)
        return problem

    return answer


class RefuseUnstorable:
    """Middleware: what PostgreSQL cannot hold (NUL in a text; words or numbers beyond a column) is answered with 400.

    It stands behind the check of CSRF tokens, so that nobody's form is read who has none. A service that meets such a
    value has rolled its transaction back.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Before the view: NUL in the address, in the query or in a form."""
        return refuse_value(request) if _has_nul(request) else None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """After a view that failed because of a value."""
        if not isinstance(error, DataError):
            return None
        logger.warning("a value does not fit the database: %s %s", request.method, request.path_info)
        return refuse_value(request)


def refuse_value(request: HttpRequest) -> HttpResponse:
    """400 as whoever asks reads it: a problem, a sentence in JSON, or a page."""
    if request.path_info.startswith(API):
        return answer_problem(400, say_unstorable())
    if request.content_type == "application/json":
        return JsonResponse({"error": say_unstorable()}, status=400, headers={"Cache-Control": "no-store"})
    return bad_request(request, DataError())


def say_unstorable() -> str:
    """One sentence for a value that no column takes."""
    return _("A value is too long or too large, or holds a sign that cannot be stored; nothing was stored.")


def _has_nul(request: HttpRequest) -> bool:
    if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
        return True
    if request.method != "POST" or request.content_type not in FORMS or request.path_info.startswith(API):
        return False
    return any("\0" in word for name, values in request.POST.lists() for word in (name, *values))


def show_no_route(request: HttpRequest) -> HttpResponse:
    """The answer for addresses below /api/ that no operation has."""
    return answer_problem(404, _("The API has no such address; /api/v1/docs lists those there are."))


def handle_problems(api: NinjaAPI) -> None:
    """Makes an API answer its exceptions as problems."""
    for kind, handle in HANDLERS.items():
        api.add_exception_handler(kind, handle)


def _answer_refusal(request: HttpRequest, error: Any) -> HttpResponse:
    """What our own code refuses: its sentence, and its status where it has one."""
    return answer_problem(getattr(error, "status", 400), str(error))


def _answer_http_error(request: HttpRequest, error: Any) -> HttpResponse:
    """Ninja's own errors; a body that is not JSON says no more than that, whatever the parser thought of it."""
    has_sentence = error.status_code not in (400, 401)
    return answer_problem(error.status_code, error.message if has_sentence else "")


def _answer_validation(request: HttpRequest, error: Any) -> HttpResponse:
    """Which fields are wrong, and why; never what was sent in them."""
    faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors]
    return answer_problem(422, "; ".join(faults[:MOST_NAMED])[:2_000])


def _answer_database(request: HttpRequest, error: Any) -> HttpResponse:
    logger.error("the database did not answer: %s", type(error).__name__)
    return answer_problem(503)


def _answer_unstorable(request: HttpRequest, error: Any) -> HttpResponse:
    return answer_problem(400, say_unstorable())


HANDLERS: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
    Http404: lambda request, error: answer_problem(404),
    PermissionDenied: lambda request, error: answer_problem(403, str(error)),
    GeoquorumError: _answer_refusal,
    HttpError: _answer_http_error,
    ValidationError: _answer_validation,
    RequestDataTooBig: lambda request, error: answer_problem(413),
    DataError: _answer_unstorable,
    OperationalError: _answer_database,
    InterfaceError: _answer_database,
}
