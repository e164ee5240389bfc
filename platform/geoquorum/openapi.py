"""The API's description: every error of every operation is there, with its shape and its media type."""

from http import HTTPStatus
from typing import Any

from ninja import NinjaAPI

from geoquorum.problems import MEDIA_TYPE, ProblemOut, say

EVERYWHERE = (400, 401, 403, 404, 422, 429, 503)
WHEN_IT_CHANGES = (409, 413)
PROBLEM = {"$ref": "#/components/schemas/ProblemOut"}


class DescribedAPI(NinjaAPI):
    """Ninja's API, whose description also has the errors."""

    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: Any = None) -> Any:
        schema = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        schema["components"]["schemas"]["ProblemOut"] = ProblemOut.model_json_schema()
        for verbs in schema["paths"].values():
            for verb, operation in verbs.items():
                add_problems(operation, is_changing=verb != "get")
        return schema


def add_problems(operation: dict[str, Any], *, is_changing: bool) -> None:
    """Each error an operation may answer; what it says of its own successes stays."""
    for status in EVERYWHERE + (WHEN_IT_CHANGES if is_changing else ()):
        example = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": say(status)}
        content = {MEDIA_TYPE: {"schema": PROBLEM, "example": example}}
        operation["responses"][status] = {"description": HTTPStatus(status).phrase, "content": content}
