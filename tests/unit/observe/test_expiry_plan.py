"""What can expire, by the settings."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from worker.login.expiry import Found, KnownBy, Plan, Thing, Way
from worker.login.password_policy import DAY
from worker.observe.expiry_plan import expiry_plan, expiry_views
from worker.observe.view import ExpiryView
from worker.settings import Settings

START = datetime(2026, 11, 23, tzinfo=UTC)


def given(account: dict[str, Any], **tables: Any) -> Settings:
    return Settings.model_validate({"account": {"address": "pathology.results@nhs.net", **account}, **tables})


@pytest.mark.parametrize(
    ("settings", "plan"),
    [
        (given({}), Plan(Way("password"))),
        (
            given({}, password={"changed": "2026-11-23", "max_age": "365d", "warn": "14d"}),
            Plan(Way("password"), START.timestamp(), 365 * DAY, 14 * DAY),
        ),
        (given({}, password={"policy": "application-account"}), Plan(Way("password"), None, 365 * DAY, 30 * DAY)),
        (given({}, password={"max_age": "30d"}), Plan(Way("password"), None, 30 * DAY, 10 * DAY)),
        (
            given({"auth": "oauth2-client", "oauth": {"client_secret_file": "/s", "secret_expires": "2026-11-23"}}),
            Plan(Way("oauth2-client", has_secret=True), secret_expires=START.timestamp()),
        ),
        (
            given({"auth": "oauth2-client", "oauth": {"client_secret": SecretStr("s")}}),
            Plan(Way("oauth2-client", has_secret=True)),
        ),
        (
            given({"auth": "oauth2-client", "oauth": {"certificate_file": "/c"}}),
            Plan(Way("oauth2-client", has_certificate=True)),
        ),
    ],
)
def test_the_plan_is_what_the_settings_say(settings: Settings, plan: Plan) -> None:
    assert expiry_plan(settings) == plan


def test_what_expires_is_shown_with_times_in_utc() -> None:
    plan = Plan(Way("oauth2-client", has_secret=True), secret_expires=START.timestamp())
    now = START.timestamp() - 3 * DAY
    shown = ExpiryView(thing=Thing.CLIENT_SECRET, expires_at=START, days_left=3, known_by=KnownBy.SETTINGS, due=3)
    assert expiry_views(plan, None, Found(), now) == (shown,)
