"""The junk path's settings."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from worker.settings.routes import Patterns
from worker.settings.types import (
    DIGEST,
    TRY_WAITS,
    Count,
    Folder,
    HandlerNames,
    Table,
    Waits,
    read_digest,
    read_level,
    read_zone,
)

Source = Literal["placement", "exchange", "trend", "spamassassin", "rspamd", "keyword", "authentication"]


Category = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,16}$")]


ProviderHost = Annotated[
    str, StringConstraints(pattern=r"^(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?$")
]


class JunkKindsSettings(Table):
    """Separate handlers for kinds of junk."""

    about = (
        "Handlers for a kind of junk, instead of `[junk] handlers`. If a message has several kinds, the first in "
        "this order decides: malware, phishing, bulk, spam."
    )

    malware: HandlerNames | None = Field(default=None, description="For junk in which Exchange found malware.")
    phishing: HandlerNames | None = Field(default=None, description="For phishing, spoofing and impersonation.")
    bulk: HandlerNames | None = Field(default=None, description="For mass mailings.")
    spam: HandlerNames | None = Field(default=None, description="For all other junk.")


class JunkSettings(Table):
    """What counts as junk, where it is kept, and which handlers see it."""

    about = "What counts as junk, and which handlers get it. The handlers of a `[[route]]` never get junk."

    folder: Folder = Field(
        default="auto", description=('The junk folder. `"auto"` finds it by its attribute, then by its name.')
    )
    handlers: HandlerNames = Field(default=("quarantine",), description="The handlers for junk, in order.")
    kinds: JunkKindsSettings = Field(default_factory=JunkKindsSettings.model_construct)
    moved_out: Literal["judge", "release"] = Field(
        default="judge",
        description=(
            "What happens when a person or the server moves junk out of the junk folder. `judge`: the worker judges "
            "it again by its headers. `release`: it counts as released."
        ),
    )
    tries: Count = Field(default=10, description="How many tries before a junk message is a dead letter.")
    waits: Waits = Field(default=TRY_WAITS, description="Waits after the 1st, 2nd, … failed try. The last one repeats.")
    sources: tuple[Source, ...] = Field(
        default=("placement", "exchange", "trend", "spamassassin", "rspamd", "keyword"),
        description=(
            "The sources whose evidence makes junk. `authentication` is available too. The junk folder always counts."
        ),
    )
    categories: tuple[Category, ...] | None = Field(
        default=None,
        description="Exchange's categories (`CAT:`) that make junk.",
        json_schema_extra={"shown_default": "those for spam, phishing and malware"},
    )
    scl: Annotated[
        Annotated[int, Field(ge=-1, le=9)] | None,
        BeforeValidator(read_level, json_schema_input_type=Annotated[int, Field(ge=-1, le=9)] | Literal["off"]),
    ] = Field(
        default=5,
        description=(
            'Mail with this spam confidence level (Exchange\'s SCL) or higher is junk. `"off"`: the level is only '
            "recorded."
        ),
        json_schema_extra={"shown_type": 'whole number from -1 to 9, or "off"'},
    )
    bcl: Annotated[
        Annotated[int, Field(ge=0, le=9)] | None,
        BeforeValidator(read_level, json_schema_input_type=Annotated[int, Field(ge=0, le=9)] | Literal["off"]),
    ] = Field(
        default=7,
        description=(
            'Mail with this bulk complaint level (Exchange\'s BCL) or higher is junk. `"off"`: the level is only '
            "recorded."
        ),
        json_schema_extra={"shown_type": 'whole number from 0 to 9, or "off"'},
    )
    provider_hosts: tuple[ProviderHost, ...] | None = Field(
        default=None,
        description=(
            "Names of the provider's own servers. Headers below theirs may be the sender's invention. "
            "`*.example.net` covers every host of a domain."
        ),
        json_schema_extra={"shown_default": "NHSmail's and Exchange Online's"},
    )
    believe_without_provider: bool = Field(
        default=True,
        description="Believe every spam header of a message if no server of the provider is recognised on it.",
    )
    known_senders: Patterns | None = Field(
        default=None,
        description=(
            "Senders whose mail is likely in junk by mistake. The digest names it first. Senders whose mail was "
            "handled before are always known."
        ),
    )
    digest: Annotated[
        str, BeforeValidator(read_digest, json_schema_input_type=Annotated[str, Field(pattern=DIGEST)])
    ] = Field(
        default="weekdays 07:00",
        description='When to send the digest of junk: `"daily 07:00"`, `"weekdays 07:00"`, `"monday 07:00"`; `"off"`.',
    )
    digest_zone: Annotated[str, BeforeValidator(read_zone)] = Field(
        default="Europe/London",
        description="The time zone for that time. If the machine doesn't know the default, UTC.",
    )
