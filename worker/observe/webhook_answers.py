"""What a webhook's answer means, and as much of it as a person may see. Its URL is a secret, and so are its parts."""

from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

import httpx

from worker.logs.printable import printable
from worker.observe.send_failure import Why

LONGEST_BODY: Final = 200
"""Characters of an answer's body that a person is shown."""
_SHORTEST_SECRET: Final = 6
"""Parts of the URL that are shorter than this are words, and hide nothing."""

_MEANINGS: Final = {
    HTTPStatus.UNAUTHORIZED: Why.FORBIDDEN,
    HTTPStatus.FORBIDDEN: Why.FORBIDDEN,
    HTTPStatus.NOT_FOUND: Why.GONE,
    HTTPStatus.GONE: Why.GONE,
    HTTPStatus.TOO_MANY_REQUESTS: Why.THROTTLED,
}


def why_not_posted(status: int) -> Why:
    """Return what a status that isn't a success means."""
    if status in _MEANINGS:
        return _MEANINGS[HTTPStatus(status)]
    if 300 <= status < 400:
        return Why.REDIRECTED
    return Why.SERVER_FAULT if status >= 500 else Why.BAD_REQUEST


def answer_of(response: httpx.Response, url: httpx.URL) -> str:
    """Return the answer for a person: its status, and the beginning of its body without any part of the URL."""
    try:
        named = f"HTTP {response.status_code} {HTTPStatus(response.status_code).phrase}"
    except ValueError:
        named = f"HTTP {response.status_code}"
    body = " ".join(response.text[: 20 * LONGEST_BODY].split())
    for part in sorted(_secrets(url), key=len, reverse=True):
        body = body.replace(part, "…")
    return named if not body else f"{named}: {printable(body[:LONGEST_BODY])}"


def _secrets(url: httpx.URL) -> set[str]:
    """The parts of the URL that could be its secret, as they are written and as they are meant."""
    raw = url.raw_path.decode("ascii", "replace")
    pieces = raw.replace("?", "/").replace("&", "/").replace("=", "/").split("/")
    found = {str(url), raw, *pieces}
    return {text for one in found for text in (one, unquote(one)) if len(text) >= _SHORTEST_SECRET}
