"""The state as `status --json` prints it."""

from dataclasses import replace

from tests.unit.observe import views
from worker.observe.view import PauseView, status_json


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
        "expiry": [
            {
                "what": "password",
                "expires_at": "2027-01-22T14:05:10.000Z",
                "days_left": 60,
                "known_by": "settings",
                "since": "2026-10-24T14:05:10.000Z",
                "last_used_at": None,
            }
        ],
        "messages": {
            "pending": 0,
            "handled": 41207,
            "junk": 312,
            "failed": 0,
            "gone": 3,
            "released": 2,
            "oldest_pending_seconds": 0,
        },
        "unexplained": 0,
        "mailbox": None,
        "last_poll": {"at": "2026-11-23T14:04:58.000Z", "ok": True, "new": 0},
        "lease": {"holder": "one", "expires_at": "2026-11-23T14:05:58.000Z"},
        "handlers_waiting": [],
        "paused": False,
        "pause": None,
    }


def test_a_pause_says_who_and_why_and_what_has_come() -> None:
    assert status_json(views.FORGOTTEN)["pause"] == {
        "since": "2026-11-22T12:05:10.000Z",
        "by": "ann@pathology-3",
        "reason": "<b>new archive</b>",
        "arrived": 1_204,
        "counted_at": "2026-11-23T14:04:30.000Z",
    }
    assert status_json(views.PAUSED)["paused"] is True


def test_in_a_pause_the_count_of_what_has_come_is_a_look_at_the_mailbox() -> None:
    assert (views.FORGOTTEN.overdue, views.FORGOTTEN.look_age) == (False, 40.0)
    assert (views.PAUSED_AND_CUT_OFF.overdue, views.PAUSED_AND_CUT_OFF.look_age) == (True, 7300.0)
    just_paused = replace(views.OVERDUE, paused=True, pause=PauseView(since=views.ago(20)))
    assert not just_paused.overdue, "the first count is still to come"


def test_what_expires_is_listed_whether_or_not_its_end_is_known() -> None:
    unknown = {"expires_at": None, "days_left": None, "known_by": None, "since": None, "last_used_at": None}
    assert status_json(views.FRESH)["expiry"] == [{"what": "password", **unknown}]
    view = replace(views.WORKING, expiries=(views.of_sign_in(3),))
    assert status_json(view)["expiry"] == [
        {
            "what": "refresh-token",
            "expires_at": "2027-02-18T14:05:10.000Z",
            "days_left": 87,
            "known_by": "last-use",
            "since": "2026-05-07T14:05:10.000Z",
            "last_used_at": "2026-11-20T14:05:10.000Z",
        }
    ]


def test_handlers_whose_mail_waits_are_named() -> None:
    assert status_json(views.NOT_BUILT)["handlers_waiting"] == [
        {"handler": "database", "since": "2026-11-23T13:55:10.000Z", "not_built": "OperationalError"}
    ]
    waiting = status_json(views.BACKLOG)["handlers_waiting"]
    assert waiting == [{"handler": "archive", "since": "2026-11-23T13:55:10.000Z", "not_built": None}]


def test_how_full_the_mailbox_is_says_where_that_is_known_from() -> None:
    assert status_json(views.FILLING)["mailbox"] == {
        "used": 3_310_000_000,
        "limit": 4_000_000_000,
        "limit_known_by": "setting",
        "percent": 82,
        "estimate": True,
        "state": "filling",
        "days_until_full": 23,
        "at": "2026-11-23T12:05:10.000Z",
    }
    by_quota = status_json(views.FULL)["mailbox"]
    assert isinstance(by_quota, dict)
    assert (by_quota["limit_known_by"], by_quota["state"], by_quota["estimate"]) == ("server", "full", False)
