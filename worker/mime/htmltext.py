"""HTML to text."""

import re

from worker.mime.signs import plain

_LONGEST = 2_000_000  # characters: larger HTML is stripped of its tags only, as laying it out takes too long
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*>")


def text_of(html: str) -> str:
    """The text that a reader of the HTML sees, laid out; for hostile or huge HTML its bare words. Never raises."""
    if len(html) > _LONGEST:
        return plain(html)
    # It brings lxml: only who asks pays. It ships no types.
    from inscriptis import get_text  # type: ignore[import-untyped]

    try:
        return str(get_text(_DECLARATION.sub("", html))).strip()
    except Exception:  # noqa: BLE001 -- a layout that fails, in whatever way, is no reason to lose the words
        return plain(html).strip()
