"""Real shells complete the installed command, with the scripts that the package brings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from worker.cli.completion import SHELLS

BIN = Path(sys.executable).parent
SHARE = Path(__file__).parents[2] / "share"

BASH = """
source {script}
COMP_WORDS=({line}) COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_nhsmail_worker_completion nhsmail-worker
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = """
source {script}
complete -C '{line}'
"""
# zsh completes only where a person types: so this one types into another, on a terminal of its own.
ZSH = """
zmodload zsh/zpty
zpty typed zsh -f -i
zpty -w typed 'fpath=({folder} $fpath); autoload -U compinit; compinit -u -D'
zpty -w typed 'said() {{ print -r -- "${{BUFFER% }}" > said.part; mv said.part said }}; zle -N said; bindkey "^X" said'
zpty -w typed 'touch ready'
while [[ ! -e ready ]]; do sleep 0.05; done
zpty -w -n typed $'{line}\\t\\x18'
while [[ ! -e said ]]; do sleep 0.05; done
read -r line < said
print -r -- "${{line##* }}"
zpty -d typed
"""


def completed(shell: str, line: str, folder: Path) -> list[str]:
    """What the shell makes of the last word."""
    program = shutil.which(shell)
    assert program is not None, f"{shell} isn't installed: scripts/bootstrap system test"
    script = SHARE / SHELLS[shell]
    text = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell].format(script=script, folder=script.parent, line=line)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NHSMAIL_")}
    environ = {**kept, "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "xterm", "HOME": str(folder)}
    plain = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [program, *plain, "-c", text],
        cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_are_completed(shell: str, tmp_path: Path) -> None:
    assert completed(shell, "nhsmail-worker jou", tmp_path) == ["journal"]


@pytest.mark.parametrize("shell", SHELLS)
def test_so_are_options_and_the_names_of_handlers(shell: str, tmp_path: Path) -> None:
    assert completed(shell, "nhsmail-worker handler show quar", tmp_path) == ["quarantine"]
    (tmp_path / "said").unlink(missing_ok=True)
    assert completed(shell, "nhsmail-worker handler list --j", tmp_path) == ["--json"]
