"""What every command shares: the settings, the parts, a session beside the worker, and how an error ends it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from worker.commands.failures import failure_of, faulty, not_logged_in
from worker.commands.wiring.shared import Parts
from worker.handling.loading import check_handlers
from worker.logs import configure_logging
from worker.loop.connection import log_in
from worker.mailbox.errors import LoginFailed
from worker.mailbox.folders import FolderInfo, find_junk, require
from worker.mailbox.session import Session
from worker.settings import Settings, SettingsError, check_files, check_state_dir, load


class Context:
    """The worker's parts, for one command. Use as a context manager: it closes what was opened."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.parts = Parts(settings)

    @classmethod
    def from_files(
        cls,
        path: Path | None,
        environ: Mapping[str, str],
        *,
        logs: bool = False,
        quiet: bool = False,
        reading: bool = False,
    ) -> Self:
        """The context of a command from the configuration.

        logs: write the log; else only what a command prints. quiet: of it, warnings and errors alone, where a person
        sees the work on a progress bar. reading: only what the journal says is wanted, so that
        nothing but the settings themselves is checked.

        Raises:
            Failure: with every fault of the configuration.
        """
        checks = [] if reading else [check_files, check_handlers, check_state_dir]
        try:
            settings = load(path, environ, checks)
        except SettingsError as error:
            raise faulty(error) from error
        level = settings.log.level if logs else "error"
        if quiet and level == "info":
            level = "warning"
        configure_logging(level=level, format=settings.log.format, account=settings.account.address)
        return cls(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.parts.close()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The journal is open in the block; what goes wrong there is explained."""
        with self.explained():
            self.parts.open_journal()
            yield

    @contextmanager
    def visit(self) -> Iterator[tuple[Session, list[FolderInfo]]]:
        """A session of a command's own, beside a running worker: without the lease, and never on the last attempt."""
        with self.opened():
            session = self.parts.new_session()
            try:
                folders = log_in(session, self.parts.guard(), keep_last=True)
                self.parts.layout.junk = find_junk(folders, self.settings.junk.folder)
                require(folders, self.parts.layout.watched)
                yield session, folders
            finally:
                session.close()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """End the command with a text and an exit code for what can go wrong in the block.

        Raises:
            Failure
        """
        try:
            yield
        except LoginFailed as error:
            guard = self.parts.guard()
            raise not_logged_in(guard.status().standing.state, guard.advice()) from error
        except Exception as error:
            failure = failure_of(error, host=self.settings.account.host)
            if failure is None:
                raise
            raise failure from error
