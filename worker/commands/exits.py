"""Exit codes, and the exception that carries one. Imports nothing heavy, because `--help` needs it too."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command. People's scripts depend on them. `EXIT_CODES` says what each means."""

    DONE = 0
    FINDING = 1
    USAGE = 64
    UNREACHABLE = 69
    FAULT = 70
    NOT_NOW = 75
    HALTED = 77
    CONFIGURATION = 78


EXIT_CODES = {
    ExitCode.DONE: "Done.",
    ExitCode.FINDING: "Done, with a finding that a person should look at.",
    ExitCode.USAGE: "The command was mistyped, or names something unknown.",
    ExitCode.UNREACHABLE: "The server can't be reached, or its certificate isn't trusted.",
    ExitCode.FAULT: "A fault of the program, or its output can't be written.",
    ExitCode.NOT_NOW: (
        "Not now: the login is cooling, another worker holds the lease, or retries are still due. Or a person said no, "
        "or stopped the command."
    ),
    ExitCode.HALTED: "The login is halted until a person acts, or a new credential is there.",
    ExitCode.CONFIGURATION: "The configuration is faulty, or the state folder can't be written.",
}
"""What each means to the person who typed the command."""


class Failure(Exception):
    """Ends a command with a text for a person and an exit code."""

    def __init__(self, code: ExitCode, text: str) -> None:
        super().__init__(text)
        self.code = code
