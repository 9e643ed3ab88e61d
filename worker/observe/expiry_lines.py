"""The line about something that expires, on the page and in `status`."""

from datetime import datetime

from worker.login.expiry import TABLE, KnownBy
from worker.logs.counted import counted
from worker.observe.humanise import clock, span
from worker.observe.view import ExpiryView


def expiry_line(one: ExpiryView, now: datetime) -> str:
    """When it ends, and where that is known from; or what makes it known. Text between backticks is code."""
    if one.expires_at is None or one.days_left is None:
        return f"When it ends is not known. {TABLE[one.thing].unknown}"
    end = (
        f"Expired since {_day(one.expires_at)}."
        if one.days_left < 0
        else f"Expires in {counted(one.days_left, 'day')}, {_day(one.expires_at)}{_condition(one)}."
    )
    return " ".join(part for part in (_use(one, now), end, _doubt(one)) if part)


def _day(at: datetime) -> str:
    """With the year: an end may be more than one away."""
    return f"{at.day} {at:%b %Y %H:%M} UTC"


def _use(one: ExpiryView, now: datetime) -> str:
    if one.used_at is None:
        return ""
    used = f"last used {span(max(0.0, (now - one.used_at).total_seconds()))} ago."
    if one.since is None:
        return used[0].upper() + used[1:]
    age = span(max(0.0, (now - one.since).total_seconds()))
    return f"Made {age} ago or before, on {clock(one.since)}, {used}"


def _condition(one: ExpiryView) -> str:
    return ", unless it is used before" if one.known_by is KnownBy.LAST_USE else ""


def _doubt(one: ExpiryView) -> str:
    if one.known_by is not KnownBy.FIRST_SEEN:
        return ""
    return f"It may end sooner, because the worker counts from when it first saw it. {TABLE[one.thing].unknown}"
