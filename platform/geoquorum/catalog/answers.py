"""How media are answered: with a tag of their content for the browser's cache, or with a sentence."""

import hashlib

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified

# In whatever a browser takes them for, wherever they are shown.
NOTHING_RUNS = "default-src 'none'; frame-ancestors 'none'; sandbox"


def respond(request: HttpRequest, body: bytes, content_type: str) -> HttpResponse:
    """The bytes, or 304 where the browser has them."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag})
    headers = {
        "ETag": tag,
        "Cache-Control": "private, max-age=86400",
        "Content-Security-Policy": NOTHING_RUNS,
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(body, content_type=content_type, headers=headers)


def refuse(sentence: str) -> HttpResponse:
    """400 with what is wrong, as plain text."""
    return HttpResponse(sentence, status=400, content_type="text/plain; charset=utf-8")
