"""What the admission of a batch may come to."""

from typing import Any

from worker.pipeline.admit import Admitted
from worker.pipeline.recognition import KnownAgain


def admitted(folder: str = "INBOX", **given: Any) -> Admitted:
    """An admission that came to nothing but what is given."""
    nothing: dict[str, Any] = {
        "suspect": False,
        "rows": frozenset(),
        "tops": {},
        "again": KnownAgain(),
        "new": (),
        "by_headers": 0,
        "lost": (),
        "look_again": frozenset(),
        "unread": (),
    }
    return Admitted(folder=folder, **(nothing | given))
