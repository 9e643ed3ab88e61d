"""The shells' scripts for completion."""

import subprocess
import sys

import pytest

from worker.cli.completion import SHELLS, completion_script
from worker.cli.main import run
from worker.commands.exits import ExitCode

SLOW = {"rich", "structlog", "sqlalchemy", "pydantic", "httpx", "alembic", "msal", "imapclient"}
"""Libraries that take long to import."""


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert said == completion_script(shell)
    assert f"_NHSMAIL_WORKER_COMPLETE={shell}_complete" in said


def test_another_shell_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "tcsh"]) == ExitCode.USAGE
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err
    with pytest.raises(ValueError, match="tcsh"):
        completion_script("tcsh")


def test_completing_waits_for_no_slow_library() -> None:
    code = "import sys, worker.cli.main; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not SLOW & set(done.stdout.split())
