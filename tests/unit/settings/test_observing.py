"""The settings of the health endpoint."""

from pathlib import Path

import pytest

from tests.unit.settings.files import ENVIRON, minimal, written
from worker.settings import load


@pytest.mark.parametrize("listen", ["", "off"])
def test_health_can_be_turned_off(tmp_path: Path, listen: str) -> None:
    path = written(tmp_path, minimal(f'[health]\nlisten = "{listen}"\n'))
    assert load(path, ENVIRON).health.listen == ""


def test_health_can_be_turned_off_by_the_environment(tmp_path: Path) -> None:
    """Where an empty variable is as good as none."""
    settings = load(written(tmp_path, minimal()), {**ENVIRON, "NHSMAIL_HEALTH__LISTEN": "off"})
    assert settings.health.listen == ""
