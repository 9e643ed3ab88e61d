"""What can expire, by the settings, and how it is shown."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from worker.login.expiry import Expiry, Found, Plan, Way, expiries
from worker.login.password_policy import Age
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.observe.view import ExpiryView


def expiry_plan(settings: Settings) -> Plan:
    """What the settings say about it."""
    oauth, password = settings.account.oauth, settings.password
    return Plan(
        Way(
            settings.account.auth,
            has_secret=oauth.client_secret is not None or oauth.client_secret_file is not None,
            has_certificate=oauth.certificate_file is not None,
        ),
        password_changed=None if password.changed is None else password.changed.timestamp(),
        password_lasts=password.max_age.total_seconds(),
        password_warn=password.warn.total_seconds(),
        secret_expires=None if oauth.secret_expires is None else oauth.secret_expires.timestamp(),
    )


def expiry_views(plan: Plan, age: Age | None, found: Found, now: float) -> "tuple[ExpiryView, ...]":
    """Everything that can expire, as the page, the metrics, the alerts and `status --json` show it.

    age: of the password that the worker itself reads. found: in its files. now: epoch s.
    """
    return tuple(map(_shown, expiries(plan, age, found, now)))


def _shown(one: Expiry) -> "ExpiryView":
    from worker.observe.view import ExpiryView  # here, because `once` plans, and shows nothing

    return ExpiryView(
        thing=one.thing,
        expires_at=_time(one.expires_at),
        days_left=one.days_left,
        known_by=one.known_by,
        since=_time(one.since),
        used_at=_time(one.used_at),
        due=one.due,
    )


def _time(epoch: float | None) -> datetime | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC)
