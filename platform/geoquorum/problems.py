"""Errors of the API, all of one shape: RFC 9457's application/problem+json, one sentence each, nothing leaked."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError

from fusion.errors import GeoquorumError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
API = "/api/"
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


HANDLERS: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
    Http404: lambda request, error: answer_problem(404),
    PermissionDenied: lambda request, error: answer_problem(403, str(error)),
    GeoquorumError: _answer_refusal,
    HttpError: _answer_http_error,
    ValidationError: _answer_validation,
    RequestDataTooBig: lambda request, error: answer_problem(413),
    OperationalError: _answer_database,
    InterfaceError: _answer_database,
}
