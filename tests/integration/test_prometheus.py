"""The alert rules as Prometheus itself reads them, and what they say in each state."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
STATES = ROOT / "tests" / "data" / "prometheus" / "alerts_test.yml"


@pytest.mark.parametrize("command", [("check", "rules", RULES), ("test", "rules", STATES)])
def test_prometheus_takes_the_rules_and_they_say_what_they_should(command: tuple[str, str, Path]) -> None:
    ended = subprocess.run(["promtool", *map(str, command)], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
