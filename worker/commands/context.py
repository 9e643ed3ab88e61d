"""What every command shares: settings, parts, a session of its own, and turning errors into exit codes."""

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
    """Settings and parts for one command. A context manager: closes what was opened."""

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
        """Load the configuration, set up logging, and build the context.

        logs: write the log; otherwise only errors are logged. quiet: log warnings and errors only, because a progress
        bar shows the work. reading: the command only reads the journal, so files, handlers and the state folder
        aren't checked.

        Raises:
            Failure: the configuration has faults; the text lists them all.
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
        """Open the journal, and explain errors in the block as `explained` does."""
        with self.explained():
            self.parts.open_journal()
            yield

    @contextmanager
    def visit(self) -> Iterator[tuple[Session, list[FolderInfo]]]:
        """Log in beside a running worker: takes no lease, and never spends the last attempt."""
        with self.opened():
            session = self.parts.new_session()
            try:
                folders = log_in(session, self.parts.guard(), keep_last=True)
                self.parts.layout.found_junk(find_junk(folders, self.settings.junk.folder))
                require(folders, self.parts.layout.watched)
                yield session, folders
            finally:
                session.close()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn errors in the block that a person can act on into a `Failure`; bugs pass through."""
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
