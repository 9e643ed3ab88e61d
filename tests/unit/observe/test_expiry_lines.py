"""What the page says of something that expires."""

from dataclasses import replace

import pytest

from tests.unit.observe import views
from worker.login.expiry import TABLE, KnownBy, Thing
from worker.observe.expiry_lines import expiry_line
from worker.observe.view import ExpiryView

P = Thing.PASSWORD
SIXTY = "Expires in 60 days, 22 Jan 2027 14:05 UTC."
UNUSED = "Expires in 87 days, 18 Feb 2027 14:05 UTC, unless it is used before."


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (views.expiring(60), SIXTY),
        (views.expiring(1.5), "Expires in 1 day, 25 Nov 2026 02:05 UTC."),
        (views.expiring(-2), "Expired since 21 Nov 2026 14:05 UTC."),
        (
            views.expiring(60, by=KnownBy.FIRST_SEEN),
            f"{SIXTY} It may end sooner, because the worker counts from when it first saw it. {TABLE[P].unknown}",
        ),
        (
            views.of_sign_in(3),
            f"Made 200 days ago or before, on 7 May 14:05 UTC, last used 3 days ago. {UNUSED}",
        ),
        (
            replace(views.of_sign_in(3), since=None),
            f"Last used 3 days ago. {UNUSED}",
        ),
        *((ExpiryView(thing=thing), f"When it ends is not known. {TABLE[thing].unknown}") for thing in Thing),
    ],
)
def test_an_end_is_said_with_where_it_is_known_from(one: ExpiryView, line: str) -> None:
    assert expiry_line(one, views.NOW) == line
