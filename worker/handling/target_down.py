"""Whether a handler couldn't be built because what it talks to isn't there yet. Everything else is configuration.

A certificate that can't be read, a folder that may not be written and a wrong setting don't pass by themselves, so they
stop the start. A server that refuses connections may answer in a minute.
"""

import errno
import ssl
from collections.abc import Iterator
from datetime import timedelta
from urllib.error import HTTPError

from worker.handling.outage import cause_of, is_transport_error
from worker.logs.exceptions import class_of
from worker.message.outcome import LONGEST_AFTER, Retry

_LOCAL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE})
"""An outage during a call, but not at the start: this machine's disk or limits, which a person must see to."""
_CLASSES = frozenset(
    {
        "MySQLdb.OperationalError",
        "amqp.ConnectionError",
        "botocore.ConnectionError",
        "botocore.HTTPClientError",
        "kombu.OperationalError",
        "psycopg.OperationalError",
        "psycopg2.OperationalError",
        "pymongo.AutoReconnect",
        "pymysql.OperationalError",
        "redis.ConnectionError",
        "redis.TimeoutError",
        "sqlalchemy.DisconnectionError",
        "sqlalchemy.OperationalError",
        "urllib3.NewConnectionError",
    }
)
"""Classes by which clients of databases and queues say so, by top-level package and name: they needn't be installed.
In a call a handler declares them itself (`outages`), because there they may be about a message.
"""
_LONGEST_CHAIN = 10


class NotThereYet(Exception):
    """A handler couldn't be built in its child process, because what it talks to isn't there yet.

    kind: the class of the exception, which stays in the child. after: the wait that a `Retry` asked for.
    """

    def __init__(self, kind: str, words: str, after: timedelta | None) -> None:
        super().__init__(f"{kind}: {words}".removesuffix(": "))
        self.kind, self.after = kind, after


def is_down(error: BaseException) -> bool:
    """Whether this exception of a handler's constructor, or one that it was raised from, says so."""
    return any(_says_so(one) for one in _chain(error))


def kind_of(error: BaseException) -> str:
    """The exception's class."""
    return error.kind if isinstance(error, NotThereYet) else class_of(error).__name__


def asked_wait(error: BaseException) -> timedelta | None:
    """The wait that a `Retry` asks for; None if it asks for none."""
    after = error.after if isinstance(error, Retry | NotThereYet) else None
    return min(max(after, timedelta(0)), LONGEST_AFTER) if isinstance(after, timedelta) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if cause is None:
            return
        yield cause
        cause = cause_of(cause)


def _says_so(error: BaseException) -> bool:
    if isinstance(error, ssl.SSLError | HTTPError):
        return isinstance(error, ssl.SSLEOFError)  # the others: a certificate, a key or an answer, not the connection
    if isinstance(error, OSError) and error.errno in _LOCAL:
        return False
    if type(getattr(error, "orig", None)).__module__ == "sqlite3":
        return False  # a file of this machine, which isn't there or may not be read
    if isinstance(error, Retry | NotThereYet | TimeoutError) or is_transport_error(error):
        return True
    return any(f"{kind.__module__.partition('.')[0]}.{kind.__name__}" in _CLASSES for kind in type(error).__mro__)
