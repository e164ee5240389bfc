"""How the vote page's JSON endpoints answer when all is not well: a status and one sentence."""

import functools
import json
import logging
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse, RawPostDataException
from django.utils.translation import gettext as _
from ninja import Schema
from pydantic import ValidationError

from geoquorum.campaigns.services import RefusedError

logger = logging.getLogger(__name__)


def json_endpoint(view: Callable[..., dict[str, Any]]) -> Callable[..., JsonResponse]:
    """A view that returns a dictionary; refusals become {"error": sentence} with their status, nothing stored."""

    @functools.wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        if not request.user.is_authenticated:
            return _refuse(401, _("You are signed out. Sign in again; votes not yet sent are kept."))
        try:
            response = JsonResponse(view(request, *args, **kwargs))
        except RefusedError as error:
            return _refuse(error.status, str(error))
        except ValidationError as error:
            return _refuse(400, _say(error))
        except Http404:
            return _refuse(404, _("There is no such campaign."))
        except PermissionDenied as error:
            return _refuse(403, str(error))
        except (OperationalError, InterfaceError):
            logger.exception("the database did not answer")
            return _refuse(503, _("The database does not answer; nothing was stored. Try again in a moment."))
        response["Cache-Control"] = "no-store"
        return response

    return answer


def read_body(request: HttpRequest, schema: type[Schema]) -> Any:
    """The request's JSON as a value of this schema; an empty body is an empty object."""
    try:
        said = json.loads(request.body or b"{}")
    except RequestDataTooBig as error:
        raise RefusedError(_("The body is too large."), status=413) from error
    except (RawPostDataException, ValueError, RecursionError) as error:  # a form; no JSON; thousands of digits
        raise RefusedError(_("The body is not JSON."), status=400) from error
    return schema.model_validate(said)


def _say(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "body"
    return f"{place}: {first['msg']}."


def _refuse(status: int, sentence: str) -> JsonResponse:
    return JsonResponse({"error": sentence}, status=status, headers={"Cache-Control": "no-store"})
