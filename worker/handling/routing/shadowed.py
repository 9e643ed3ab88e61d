"""Finds routes that can never take a message, so that `check` can name them."""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.handling.routing.conditions import as_plain, tester_of
from worker.settings.routes import MatchSettings, Pattern, RouteSettings, SizeMatch


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A route that can never take a message. reason: a phrase for a person."""

    route: str
    reason: str


def unreachable(routes: Sequence[RouteSettings]) -> list[Unreachable]:
    """The routes that can never take a message. May miss some, but those that it returns are certain."""
    found: list[Unreachable] = []
    for number, route in enumerate(routes):
        if route.match and route.match.path == ("junk",):
            found.append(Unreachable(route.name, "rules see clean mail only; junk goes to [junk] handlers"))
            continue
        shadow = next((other for other in routes[:number] if _shadows(other, route)), None)
        if shadow is not None:
            found.append(Unreachable(route.name, f"{shadow.name}, before it, takes every message that it could"))
    return found


def _shadows(earlier: RouteSettings, later: RouteSettings) -> bool:
    """Whether the earlier route takes, and keeps, every message that the later one could take."""
    if earlier.continue_:
        return False
    if earlier.takes_all:
        return True
    if earlier.match is None or later.match is None:
        return False
    return _covers(earlier.match, later.match)


def _covers(wide: MatchSettings, narrow: MatchSettings) -> bool:
    """Whether every message that meets `narrow` meets `wide` too."""
    texts = ("from_", "to", "subject", "attachment", "attachment_type", "notice")
    if not all(_patterns_cover(getattr(wide, key), getattr(narrow, key)) for key in texts):
        return False
    # `wide` wants both in one attachment, so a condition on only one of them doesn't imply it.
    if (
        wide.attachment is not None
        and wide.attachment_type is not None
        and None
        in (
            narrow.attachment,
            narrow.attachment_type,
        )
    ):
        return False
    if wide.mismatched not in (None, narrow.mismatched):
        return False
    narrow_headers = {name.lower(): patterns for name, patterns in (narrow.header or {}).items()}
    return (
        all(
            _patterns_cover(patterns, narrow_headers.get(name.lower()))
            for name, patterns in (wide.header or {}).items()
        )
        and all(_set_covers(getattr(wide, key), getattr(narrow, key)) for key in ("kind", "protection"))
        and _set_covers(wide.path, narrow.path or ("clean",))
        and _range_covers(wide.size, narrow.size)
    )


def _patterns_cover(wide: Sequence[Pattern] | None, narrow: Sequence[Pattern] | None) -> bool:
    if wide is None:
        return True
    return narrow is not None and all(any(_pattern_covers(one, other) for one in wide) for other in narrow)


def _pattern_covers(wide: Pattern, narrow: Pattern) -> bool:
    if wide == narrow:
        return True
    if wide.glob is None or narrow.glob is None or "?" in wide.glob:
        return False
    # A `*` of the wide glob matches any wildcard of the narrow one, but a literal character doesn't.
    return bool(tester_of(wide)(as_plain(narrow.glob)))


def _set_covers(wide: Sequence[str] | None, narrow: Sequence[str] | None) -> bool:
    return wide is None or (narrow is not None and set(narrow) <= set(wide))


def _range_covers(wide: SizeMatch | None, narrow: SizeMatch | None) -> bool:
    if wide is None:
        return True
    if narrow is None:
        return wide.over is None and wide.under is None
    over = wide.over is None or (narrow.over is not None and narrow.over >= wide.over)
    return over and (wide.under is None or (narrow.under is not None and narrow.under <= wide.under))
