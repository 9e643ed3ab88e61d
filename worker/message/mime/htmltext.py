"""Conversion of HTML to text."""

import re
from typing import Any

from worker.message.mime.signs import plain

_LONGEST = 500_000  # characters: converting more takes seconds
_DEEPEST = 100  # nested elements: each may indent every line in it
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*>")


def text_of(html: str) -> str:
    """Return the text of the HTML with its layout; only its words if it is hostile or huge. Never raises.

    Styles and table columns are ignored, because both can turn a kilobyte into a gigabyte of blanks.
    """
    if len(html) > _LONGEST:
        return plain(html).strip()
    # Imported here, because they load lxml; they ship no types.
    from inscriptis import Inscriptis  # type: ignore[import-untyped]
    from inscriptis.css_profiles import STRICT_CSS_PROFILE  # type: ignore[import-untyped]
    from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]
    from lxml.html import document_fromstring  # type: ignore[import-untyped]

    try:
        tree = document_fromstring(_DECLARATION.sub("", html))
        if _is_deep(tree):
            return plain(html).strip()
        _make_harmless(tree)
        return str(Inscriptis(tree, ParserConfig(css=STRICT_CSS_PROFILE)).get_text()).strip()
    except Exception:  # noqa: BLE001 -- however the layout fails, keep the words
        return plain(html).strip()


def _is_deep(tree: Any) -> bool:
    level, depth = [tree], 0
    while level and depth <= _DEEPEST:
        level = [child for element in level for child in element]
        depth += 1
    return bool(level)


def _make_harmless(tree: Any) -> None:
    """Remove styles, and turn each table row into a line."""
    for element in tree.iter("*"):
        element.attrib.pop("style", None)
        if element.tag in ("table", "tbody", "thead", "tfoot", "tr"):
            element.tag = "div"
        elif element.tag in ("td", "th"):
            element.tag = "span"
            element.tail = f" {element.tail or ''}"
