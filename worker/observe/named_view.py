"""The keys and handlers that alerts name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedView:
    """The first few of each.

    oldest_pending: keys of the messages that have waited longest. known_junk: keys of unreviewed junk from known
    senders. stuck_handlers, stuck_keys: of the calls that don't return.
    """

    oldest_pending: tuple[str, ...] = ()
    known_junk: tuple[str, ...] = ()
    stuck_handlers: tuple[str, ...] = ()
    stuck_keys: tuple[str, ...] = ()
