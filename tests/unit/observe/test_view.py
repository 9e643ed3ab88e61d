"""The state as `status --json` prints it."""

from tests.unit.observe import views
from worker.observe.view import status_json


def test_status_in_json_has_the_contracts_form() -> None:
    assert status_json(views.COOLING) == {
        "account": "pathology.results@nhs.net",
        "login": {
            "state": "cooling",
            "failures": 2,
            "threshold": 12,
            "reserve": 4,
            "remaining": 6,
            "remaining_for_credential": 3,
            "next_attempt_at": "2026-11-23T14:14:10.000Z",
            "reason": "rejected",
        },
        "password": {
            "changed_at": "2026-10-24T14:05:10.000Z",
            "expires_at": "2027-01-22T14:05:10.000Z",
            "days_left": 60,
        },
        "messages": {
            "pending": 0,
            "handled": 41207,
            "junk": 312,
            "failed": 0,
            "gone": 3,
            "released": 2,
            "oldest_pending_seconds": 0,
        },
        "last_poll": {"at": "2026-11-23T14:04:58.000Z", "ok": True, "new": 0},
        "lease": {"holder": "one", "expires_at": "2026-11-23T14:05:58.000Z"},
        "paused": False,
    }
