"""How news goes out by one alert channel: it is delivered, or the log says that it wasn't."""

from typing import Protocol, TypeVar

from worker.logs.fields import WORD
from worker.logs.log import get_logger

log = get_logger()


class NotSent(Exception):
    """News could not be delivered. status: the receiver's answer, where there was one."""

    def __init__(self, status: int | None = None) -> None:
        super().__init__("not sent" if status is None else f"not sent: status {status}")
        self.status = status


News = TypeVar("News", contravariant=True)


class Channel(Protocol[News]):
    """An alert channel, for this kind of news."""

    name: str
    """A word, the same over restarts."""

    def send(self, news: News, /) -> None:
        """Deliver it, within seconds. Raises `NotSent`."""


def delivered(channel: Channel[News], news: News, *, rule: str, state: str) -> bool:
    """Whether this channel took it; the log says so. Never raises: a fault in one must not end the thread that tells.

    rule, state: what the log calls it.
    """
    name = channel.name if WORD.fullmatch(channel.name) else "unnamed"
    try:
        channel.send(news)
    except NotSent as error:
        log.warning("alert.not_sent", rule=rule, state=state, sender=name, status=error.status)
        return False
    except Exception:  # whatever it is, of a library's or ours
        log.warning("alert.not_sent", rule=rule, state=state, sender=name, exc_info=True)
        return False
    log.info("alert.sent", rule=rule, state=state, sender=name)
    return True
