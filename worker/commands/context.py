"""What every command shares: settings, parts, a session of its own, and turning errors into exit codes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from worker.commands.memory import give_back_large_blocks
from worker.commands.wiring.clear_text import check_journal_url
from worker.commands.wiring.shared import Parts
from worker.logs.log import configure as configure_logging
from worker.mailbox.errors import LoginFailed
from worker.settings import Check, Settings, SettingsError, check_files, check_proxy, check_state_dir, load

if TYPE_CHECKING:
    from worker.mailbox.folder_finder import Found
    from worker.mailbox.session import Session


def all_checks() -> Sequence[Check]:
    """What is checked of the settings besides the settings themselves."""
    from worker.handling.loading import check_handlers  # here, because a command that only reads loads no handler

    return (check_journal_url, check_files, check_handlers, check_proxy, check_state_dir)


class Context:
    """Settings and parts for one command. A context manager: closes what was opened."""

    def __init__(self, settings: Settings) -> None:
        give_back_large_blocks()
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
        state: Path | None = None,
    ) -> Self:
        """Load the configuration, set up logging, and build the context.

        logs: write the log; otherwise only errors are logged. quiet: log warnings and errors only, because a progress
        bar shows the work. reading: the command only reads the journal, so files, handlers and the state folder
        aren't checked. state: a state folder to read in place of the configured one, such as a copy of it.

        Raises:
            Failure: the configuration has faults; the text lists them all.
        """
        try:
            settings = load(path, environ, [check_journal_url] if reading else all_checks())
        except SettingsError as error:
            from worker.commands.failures import faulty  # here, because most commands don't fail

            raise faulty(error) from error
        if state is not None:
            elsewhere = settings.state.model_copy(update={"dir": state.absolute()})
            settings = settings.model_copy(update={"state": elsewhere})
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
    def visit(self) -> Iterator["tuple[Session, Found]"]:
        """Log in beside a running worker: takes no lease, and never spends the last attempt."""
        from worker.loop.connection import log_in  # here, because most commands don't log in

        with self.opened():
            session = self.parts.new_session()
            try:
                folders = log_in(session, self.parts.guard(), keep_last=True)
                yield session, self.parts.finder.find(session, folders)
            finally:
                session.close()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn errors in the block that a person can act on into a `Failure`; bugs pass through."""
        try:
            yield
        except LoginFailed as error:
            from worker.commands.failures import not_logged_in  # as below

            guard = self.parts.guard()
            raise not_logged_in(guard.status().standing.state, guard.advice()) from error
        except Exception as error:
            from worker.commands.failures import failure_of  # `run` and `once` have it already, see `ahead`

            failure = failure_of(error, host=self.settings.account.host)
            if failure is None:
                raise
            raise failure from error
