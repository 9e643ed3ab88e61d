"""The kinds of value that settings take, and how each is checked."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints

from worker.settings.units import DURATION, SIZE, parse_duration, parse_size

SENDER_EXAMPLE = "nhsmail-worker@your-trust.nhs.uk"
"""An address of an organisation's own, as an example to people."""


class Url:
    """Marks a secret that is a URL, which may be in the file as long as it contains no password."""


def read_duration(value: Any) -> Any:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta):
        return value
    raise ValueError('must be text: a number and a unit (ms s m h d), such as "60s"')


def read_size(value: Any) -> Any:
    if isinstance(value, str):
        return parse_size(value)
    raise ValueError('must be text: a number and a unit (B kB MB GB KiB MiB GiB), such as "40MB"')


def read_since(value: Any) -> datetime | None:
    return (
        None if value == "all" or value is None else read_moment(value, 'must be "all" or a date, such as "2026-01-31"')
    )


def read_changed(value: Any) -> datetime | None:
    return None if value is None else read_moment(value, 'must be a date, such as "2026-01-31"')


def read_moment(value: Any, wrong: str) -> datetime:
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value) if len(value) > len("2026-01-31") else date.fromisoformat(value)
    except ValueError:
        raise ValueError(wrong) from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError('has a time without a zone: write "2026-01-31" or "2026-01-31T08:00:00Z"')
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError(wrong)


_ADDRESS = re.compile(
    r"[^\s@,;<>\"()\x00-\x1f\x7f]+@[^\s@,;<>\"()\[\]\x00-\x1f\x7f]+\.[^\s@,;<>\"()\[\]\x00-\x1f\x7f]+"
)


def read_address(value: Any) -> Any:
    if isinstance(value, str) and not _ADDRESS.fullmatch(value):
        raise ValueError(
            "must be the full address of the mailbox, such as pathology.results@nhs.net: NHSmail's user name is the "
            "full address, not a short name"
        )
    return value


def read_recipient(value: Any) -> Any:
    if isinstance(value, str) and not _ADDRESS.fullmatch(value):
        raise ValueError("must be a full address, such as duty.team@nhs.net")
    return value


_NHSMAIL = re.compile(r"@(?:[^@]*\.)?nhs\.net\.?\Z", re.IGNORECASE)


def read_sender(value: Any) -> Any:
    if isinstance(value, str) and not _ADDRESS.fullmatch(value):
        raise ValueError(f"must be one of your organisation's own full addresses, such as {SENDER_EXAMPLE}")
    if isinstance(value, str) and _NHSMAIL.search(value) is not None:
        raise ValueError(
            "can't be an address at nhs.net: NHSmail deletes mail from a relay that claims to come from there. Use "
            f"one of your organisation's own, such as {SENDER_EXAMPLE}"
        )
    return value


_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]+")


def read_host(value: Any) -> Any:
    if isinstance(value, str) and not (_HOST.fullmatch(value) and len(value) < 255):
        raise ValueError("must be a bare host name, such as outlook.office365.com, without a scheme or a port")
    return value


def read_folder(value: Any) -> Any:
    if isinstance(value, str) and (not value.strip() or any(ord(c) < 32 or ord(c) == 127 for c in value)):
        raise ValueError("must be the name of a folder, not empty and without control characters")
    return value


def read_header_name(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[!-9;-~]+", value):
        raise ValueError("must be the name of a header, such as X-Department, without the colon")
    return value


def read_level(value: Any) -> Any:
    return None if value == "off" else value


def read_listen(value: Any) -> Any:
    return "" if value == "off" else value


DIGEST = (
    r"^(?:off|(?:daily|weekdays|monday|tuesday|wednesday|thursday|friday|saturday|sunday) (?:[01]\d|2[0-3]):[0-5]\d)$"
)


def read_digest(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(DIGEST, value):
        raise ValueError('must be "off", or days and a time: "weekdays 07:00", "daily 07:00", "monday 07:00"')
    return value


def read_zone(value: Any) -> Any:
    if isinstance(value, str):
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError):
            raise ValueError("must be a time zone that this machine knows, such as Europe/London") from None
    return value


def read_json(value: Any) -> Any:
    """Parse a list from the environment, for a table in which the type of a key isn't known when it is read."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def read_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


Duration = Annotated[
    timedelta, BeforeValidator(read_duration, json_schema_input_type=Annotated[str, Field(pattern=DURATION)])
]


DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]{5,15}(Z|[+-][0-9]{2}:[0-9]{2}))?$"
"""The form of a date, alone or with a time and a zone, as a regular expression for other programs."""
_Day = Annotated[str, Field(pattern=DAY)]


Day = Annotated[datetime | None, BeforeValidator(read_changed, json_schema_input_type=_Day)]


Since = Annotated[datetime | None, BeforeValidator(read_since, json_schema_input_type=Literal["all"] | _Day)]


PositiveDuration = Annotated[Duration, Field(gt=timedelta(0))]


Size = Annotated[
    int, BeforeValidator(read_size, json_schema_input_type=Annotated[str, Field(pattern=SIZE)]), Field(ge=1)
]


Count = Annotated[int, Field(ge=1)]


Address = Annotated[str, BeforeValidator(read_address), Field(examples=["pathology.results@nhs.net"])]


Recipient = Annotated[str, BeforeValidator(read_recipient)]


Sender = Annotated[str, BeforeValidator(read_sender)]


Host = Annotated[str, BeforeValidator(read_host)]


Folder = Annotated[str, BeforeValidator(read_folder)]


NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"


Name = Annotated[str, StringConstraints(pattern=NAME)]


HANDLER_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$"


HandlerName = Annotated[str, StringConstraints(pattern=HANDLER_NAME)]


SecretUrl = Annotated[SecretStr, Url]


Waits = Annotated[tuple[PositiveDuration, ...], Field(min_length=1)]


HandlerNames = Annotated[tuple[HandlerName, ...], Field(min_length=1)]


TRY_WAITS = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200))


class Table(BaseModel):
    """A table of the configuration. Unknown keys are faults, values are immutable, and no fault quotes a value."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        str_max_length=10_000,
        defer_build=True,  # the root builds the checks of the whole tree; each table would build its part once more
    )
    about: ClassVar[str] = ""
