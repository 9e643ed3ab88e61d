"""Delivery through one alert channel: an alert or a digest is sent, and the result is logged."""

from enum import StrEnum
from typing import Protocol, TypeVar

from worker.connections import ProxyTrouble
from worker.logs.fields import WORD
from worker.logs.log import get_logger
from worker.observe.send_failure import Why, error_behind, why_lost

log = get_logger()


class NotSent(Exception):
    """It could not be delivered. status: the status code of the receiver's answer, if there was one.

    said: what the receiver said, or what our own sign-in did; for the person who tests the channels, and never logged.
    """

    def __init__(self, status: int | None = None, why: Why = Why.OTHER, said: str = "") -> None:
        super().__init__("not sent" if status is None else f"not sent: status {status}")
        self.status = status
        self.why = why
        self.said = said

    @property
    def may_have_arrived(self) -> bool:
        """Whether the receiver may have it all the same: it broke off before it said so."""
        return self.why in (Why.SLOW, Why.DROPPED)


def lost(error: BaseException) -> NotSent:
    """What a failed connection comes to. error: of any library, with what stands behind it."""
    proxy = error_behind(error, ProxyTrouble)
    return NotSent(None, why_lost(error)) if proxy is None else NotSent(None, Why.PROXY, proxy.advice)


News = TypeVar("News", contravariant=True)


class Channel(Protocol[News]):
    """An alert channel that takes news of this kind."""

    name: str
    """A word that stays the same over restarts."""

    def send(self, news: News, /) -> str | None:
        """Deliver it, within seconds, and return the receiver's words, if there are any. Raises `NotSent`."""


class Delivery(StrEnum):
    """What came of sending."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """It failed, and the receiver may have it all the same."""


def delivered(channel: Channel[News], news: News, *, rule: str, state: str) -> bool:
    """As `deliver`; return whether it was delivered."""
    return deliver(channel, news, rule=rule, state=state) is Delivery.DELIVERED


def deliver(channel: Channel[News], news: News, *, rule: str, state: str) -> Delivery:
    """Send it, log the result, and return what came of it. Never raises: one channel must not stop the others.

    rule, state: its names in the log.
    """
    name = channel.name if WORD.fullmatch(channel.name) else "unnamed"
    try:
        channel.send(news)
    except NotSent as error:
        log.warning("alert.not_sent", rule=rule, state=state, sender=name, status=error.status, cause=error.why.value)
        return Delivery.UNKNOWN if error.may_have_arrived else Delivery.REFUSED
    except Exception:  # any fault, in a library or in our own code
        log.warning("alert.not_sent", rule=rule, state=state, sender=name, exc_info=True)
        return Delivery.UNKNOWN
    log.info("alert.sent", rule=rule, state=state, sender=name)
    return Delivery.DELIVERED
