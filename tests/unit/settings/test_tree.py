"""The tree of settings: its defaults, and what is required."""

from dataclasses import asdict
from pathlib import Path

import pytest

from tests.unit.settings.files import DESIGN, ENVIRON, ROUTE, minimal, one_fault, written
from worker.classify.policy import COUNTING_SOURCES, SOURCES, JunkPolicy
from worker.message.mime.limits import Limits
from worker.settings import load
from worker.settings.junk_settings import JunkSettings
from worker.settings.tree import LimitsSettings


def test_the_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    documented = load(written(tmp_path, DESIGN), ENVIRON)
    bare = load(written(tmp_path, minimal()), ENVIRON)

    for table in ("state", "poll", "lockout", "password", "junk", "settle"):
        assert getattr(documented, table) == getattr(bare, table)
    assert bare.limits.message == 64_000_000


def test_defaults_agree_with_the_rooms_that_use_them() -> None:
    limits = LimitsSettings().model_dump(exclude={"deaths"})
    assert limits == asdict(Limits())
    junk, policy = JunkSettings(), JunkPolicy()
    assert (junk.scl, junk.bcl, junk.believe_without_provider) == (
        policy.scl,
        policy.bcl,
        policy.believe_without_provider,
    )
    assert frozenset(junk.sources) == COUNTING_SOURCES == policy.sources
    assert JunkSettings.model_validate({"sources": SOURCES}).sources == SOURCES


@pytest.mark.parametrize("text", [ROUTE, "[account]\n" + ROUTE])
def test_an_address_is_needed(tmp_path: Path, text: str) -> None:
    assert one_fault(tmp_path, text) == "[account] address: is missing. Set it."


@pytest.mark.parametrize(
    ("password", "days"),
    [("", 30), ('max_age = "365d"', 30), ('max_age = "60d"', 20), ('warn = "14d"', 14), ('policy = "off"', 30)],
)
def test_warnings_begin_a_month_before_a_passwords_end_or_sooner_where_it_lasts_less(
    tmp_path: Path, password: str, days: int
) -> None:
    assert load(written(tmp_path, f"{minimal()}\n[password]\n{password}\n"), ENVIRON).password.warn.days == days
