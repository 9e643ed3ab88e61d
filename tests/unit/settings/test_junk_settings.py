"""The junk path's settings."""

from typing import Any

import pytest
from pydantic import ValidationError

from worker.settings.junk_settings import JunkSettings


@pytest.mark.parametrize(
    ("given", "scl", "bcl"), [({"scl": "off"}, None, 7), ({"bcl": "off"}, 5, None), ({"scl": "-1", "bcl": 0}, -1, 0)]
)
def test_the_thresholds_can_be_turned_off(given: dict[str, Any], scl: int | None, bcl: int | None) -> None:
    junk = JunkSettings.model_validate(given)
    assert (junk.scl, junk.bcl) == (scl, bcl)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scl", 10),
        ("scl", "never"),
        ("bcl", -1),
        ("moved_out", "forget"),
        ("digest", "07:00"),
        ("digest", "weekdays 24:00"),
        ("digest", "weekdays 7:00"),
        ("digest_zone", "Europe/Atlantis"),
        ("digest_zone", "../../etc/passwd"),
        ("digest_zone", ""),
        ("kinds", {"phish": ["quarantine"]}),
        ("kinds", {"phishing": []}),
        ("known_senders", []),
    ],
)
def test_junk_settings_that_mean_nothing_are_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        JunkSettings.model_validate({key: value})


@pytest.mark.parametrize("digest", ["off", "weekdays 07:00", "daily 23:59", "monday 00:00"])
def test_a_digest_has_days_and_a_time(digest: str) -> None:
    assert JunkSettings.model_validate({"digest": digest}).digest == digest
