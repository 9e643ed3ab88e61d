"""What is seen from outside is as recorded, however the code is arranged: help, faults, events, metrics, files."""

import difflib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "tests" / "data" / "captured.txt"
RENEW = "Was that meant? Then `make capture` records it anew; look at what `git diff tests/data/captured.txt` says."


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_is_seen_from_outside_is_as_recorded() -> None:
    captured = [sys.executable, "scripts/capture.py"]
    answer = subprocess.run(captured, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1200)
    assert answer.returncode == 0, answer.stderr

    compared = difflib.unified_diff(
        RECORD.read_text().splitlines(), answer.stdout.splitlines(), "recorded", "captured", lineterm="", n=1
    )
    difference = "\n".join(compared)
    assert not difference, f"The outward behaviour is another.\n{difference}\n{RENEW}"
