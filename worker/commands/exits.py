"""Exit codes, and the exception that carries one. Imports nothing heavy, because `--help` needs it too."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command. People's scripts depend on them."""

    DONE = 0
    FINDING = 1
    """Done, with a finding that a person should look at."""
    USAGE = 64
    UNREACHABLE = 69
    """The server can't be reached, or its certificate is not trusted."""
    FAULT = 70
    """A bug of ours."""
    NOT_NOW = 75
    """Cooling, throttled, another worker holds the lease, or retries are still due."""
    HALTED = 77
    """No login until a person or a new credential changes things."""
    CONFIGURATION = 78
    """A faulty configuration, or a state folder that can't be written."""


class Failure(Exception):
    """Ends a command with a text for a person and an exit code."""

    def __init__(self, code: ExitCode, text: str) -> None:
        super().__init__(text)
        self.code = code
