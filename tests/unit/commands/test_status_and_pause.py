"""`resume` ends a person's pause, and no pause that only `journal rebuild` may end."""

from pathlib import Path

import pytest

from tests.unit.commands.configured import configured
from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.commands.status_and_pause import is_paused, pause, resume
from worker.journal.facts import BACKUP, REBUILD


def paused_by(folder: Path, name: str) -> Context:
    (folder / "state").mkdir(mode=0o700)
    context = configured(folder)
    context.parts.open_journal()
    context.parts.journal.facts.pause(name, 1_800_000_000.0)
    return context


def test_it_ends_a_persons_pause(tmp_path: Path) -> None:
    with paused_by(tmp_path, "ann@pathology-3") as context:
        resume(context)
        assert not is_paused(context)


@pytest.mark.parametrize("name", [BACKUP, REBUILD])
def test_it_ends_no_pause_that_keeps_mail_from_being_handled_again(tmp_path: Path, name: str) -> None:
    """Nor does a person's own pause take the place of that one, which `resume` would end then."""
    with paused_by(tmp_path, name) as context:
        for command in (resume, pause, resume):
            with pytest.raises(Failure, match="journal rebuild") as refused:
                command(context)
            assert refused.value.code is ExitCode.NOT_NOW
        assert is_paused(context)
