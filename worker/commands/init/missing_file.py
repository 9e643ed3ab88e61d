"""The commands that make a file for a secret or a certificate, for a person to type. `init` itself sees no secret."""

import getpass
import os
import shlex
from pathlib import Path

from worker.commands.init.questions import Kind, Question


def how_to_make(question: Question, path: Path) -> list[str]:
    """The lines that tell it; none if the file is there, or isn't one of these."""
    if question.kind not in (Kind.CONFIDENTIAL, Kind.CERTIFICATE) or _is_there(path):
        return []
    install = _install(path)
    if question.kind is Kind.CERTIFICATE:
        return [
            "docs/nhsmail.md, step 2, makes key.pem and certificate.pem. Then type, in bash:",
            f"  cat key.pem certificate.pem | {install}",
        ]
    return [
        "To put it there, type these lines in another shell (bash), one by one. After the first, paste the secret,",
        "which isn't shown, and press Enter:",
        "  IFS= read -rs secret",
        f"  printf '%s' \"$secret\" | {install}",
        "  unset secret",
    ]


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _install(path: Path) -> str:
    """Makes a file of standard input that only our user may read: with sudo where we can't write its folder."""
    target = shlex.quote(str(path))
    if os.access(path.parent, os.W_OK):
        return f"install -m 0400 /dev/stdin {target}"
    user = shlex.quote(getpass.getuser())
    return f"sudo install -o {user} -m 0400 /dev/stdin {target}"
