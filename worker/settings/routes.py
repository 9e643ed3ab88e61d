"""The settings of routes and handlers: a route's conditions, and the keys of every handler's table."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from worker.settings.types import (
    TRY_WAITS,
    Count,
    Duration,
    HandlerNames,
    Name,
    PositiveDuration,
    Size,
    Table,
    Waits,
    read_header_name,
    read_json,
    read_list,
)


class Pattern(Table):
    """A glob, or a regular expression in RE2's syntax, which takes linear time. One of the two is set."""

    glob: str | None = None
    regex: str | None = None


class Regex(Table):
    """A regular expression in RE2's syntax, as it is written in the file."""

    regex: str


Glob = Annotated[str, Field(min_length=1)]
"""A glob as it is written in the file."""


def _pattern(value: Any) -> Any:
    if isinstance(value, Pattern):
        return value
    if isinstance(value, str):
        if not value:
            raise ValueError('is an empty pattern, which matches nothing: write "*" for anything')
        return {"glob": value}
    if not isinstance(value, dict) or set(value) != {"regex"} or not isinstance(value["regex"], str):
        raise ValueError('must be a pattern, such as "*@lab.nhs.uk", or { regex = "…" }')
    _must_compile(value["regex"])
    return value


def _must_compile(regex: str) -> None:
    import re2  # type: ignore[import-untyped]  # it has no stubs; loaded only if a pattern needs it

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(regex, options)
    except re2.error:
        raise ValueError(
            "isn't a regular expression in RE2's syntax: RE2 has no backreferences and no look-around"
        ) from None


Patterns = Annotated[
    tuple[Annotated[Pattern, BeforeValidator(_pattern, json_schema_input_type=Glob | Regex)], ...],
    BeforeValidator(read_list),
    Field(min_length=1),
]


HeaderName = Annotated[str, BeforeValidator(read_header_name)]


class SizeMatch(Table):
    """A range of sizes, both ends excluded."""

    over: Size | None = None
    under: Size | None = None


Kind = Literal["mail", "auto-reply", "bounce", "receipt", "calendar"]


Protection = Literal["none", "smime-encrypted", "smime-signed", "rpmsg", "pgp"]


class MatchSettings(Table):
    """The conditions of a route, all of which must hold. In a list of patterns, one must match."""

    about = (
        "All conditions of a `match` must hold. If a condition is a list, one of its items must hold. A pattern is "
        "a glob (`*` anything, `?` one character). It must match the whole text, and ignores case. Or it is `{ "
        'regex = "…" }` in RE2\'s syntax, which may match anywhere in the text, and respects case.'
    )

    from_: Patterns | None = Field(
        default=None, alias="from", description="The sender's address.", examples=["*@lab.nhs.uk"]
    )
    to: Patterns | None = Field(
        default=None,
        description="An address in To or Cc. `lab@nhs.net` also takes `lab+anything@nhs.net`.",
        examples=["results@nhs.net"],
    )
    subject: Patterns | None = Field(default=None, description="The subject.", examples=["*report*"])
    header: dict[HeaderName, Patterns] | None = Field(
        default=None,
        description='Any header by its name: `header.X-Department = "path*"`.',
        json_schema_extra={"shown_type": "patterns by header"},
        examples=[{"X-Department": "path*"}],
    )
    attachment: Patterns | None = Field(default=None, description="The file name of an attachment.", examples=["*.pdf"])
    attachment_type: Patterns | None = Field(
        default=None,
        description="The type of an attachment, as the mail claims it or as its bytes show it: `application/pdf`, "
        "`image/*`.",
        examples=["application/pdf"],
    )
    mismatched: bool | None = Field(
        default=None,
        description="`true`: an attachment's bytes clearly differ from its claimed type, such as a program that claims "
        "to be a PDF. `attachment`, `attachment_type` and this must hold for the same attachment.",
        examples=[True],
    )
    size: SizeMatch | None = Field(
        default=None,
        description='Size of the message: `{ over = "10MB" }`, `{ under = "1MB" }`.',
        examples=[{"over": "10MB"}],
    )
    kind: Annotated[tuple[Kind, ...], BeforeValidator(read_list), Field(min_length=1)] | None = Field(
        default=None, description="The kind of message.", examples=["mail"]
    )
    notice: Patterns | None = Field(
        default=None,
        description="What the provider removed or changed, such as `attachment-removed`.",
        examples=["attachment-removed"],
    )
    protection: Annotated[tuple[Protection, ...], BeforeValidator(read_list), Field(min_length=1)] | None = Field(
        default=None,
        description="How the message is encrypted or signed; `none`: not at all.",
        examples=["none"],
    )
    path: Annotated[tuple[Literal["clean", "junk"], ...], BeforeValidator(read_list), Field(min_length=1)] | None = (
        Field(default=None, description="The message's path. Routes see only `clean`.", examples=["clean"])
    )


class RouteSettings(Table):
    """A rule that gives clean messages to handlers. The first rule that matches takes a message."""

    about = (
        "Rules from clean messages to handlers. The first that matches takes the message. The last must have no "
        "`match`, so that every message has a rule."
    )

    name: Name = Field(description="The rule's name, in logs and metrics.", examples=["everything"])
    match: MatchSettings | None = Field(default=None, description="The conditions. Left out: every message.")
    handlers: HandlerNames = Field(
        description="The handlers, in order. The worker calls each after the one before it has succeeded.",
        examples=[["archive"]],
    )
    continue_: bool = Field(
        default=False,
        alias="continue",
        description="Continue with the rules after this one, and add their handlers after these. A handler gets the "
        "message once every handler before it has returned, those of earlier rules included.",
    )
    tries: Count = Field(default=10, description="How many tries before the message is a dead letter.")
    waits: Waits = Field(
        default=TRY_WAITS,
        description="Waits after the 1st, 2nd, … failed try; the last one repeats.",
    )
    order: Literal["none", "sender"] = Field(
        default="none",
        description=(
            "`sender`: one sender's mail is handled one message at a time, in order of arrival. A message that is "
            "being handled holds the sender's later mail until it is finished. A message that waits holds it for "
            "the times below."
        ),
    )
    order_wait: Duration = Field(
        default=timedelta(minutes=1),
        description=(
            "With `order`: how long in total a sender's later message waits for earlier ones whose content the "
            "server doesn't show yet. Their route isn't known, so the shortest `order_wait` counts."
        ),
    )
    order_retry_wait: Duration = Field(
        default=timedelta(minutes=10),
        description=(
            "With `order`: how long in total a sender's later message waits for earlier ones that wait for another "
            "try. The default is longer than the first three of the default `waits`."
        ),
    )

    @property
    def takes_all(self) -> bool:
        """Whether every message matches, because there is no condition."""
        return self.match is None or self.match == MatchSettings()


class Isolation(Table):
    """Isolation under another user."""

    user: Annotated[str, Field(min_length=1)]


_BOOL = TypeAdapter(bool)


def _isolation(value: Any) -> bool | Isolation:
    """Read `isolate`. A table says more than `true`, so it counts as that as well."""
    value = read_json(value)
    try:
        if isinstance(value, dict | Isolation):
            return Isolation.model_validate(value)
        return _BOOL.validate_python(value)
    except ValidationError:
        raise ValueError('must be true, false, or { user = "…" }: the name or the number of a user') from None


class HandlerRules(Table):
    """The keys of a handler's table that belong to the worker. No handler has a setting of these names."""

    about = (
        "The worker's own settings for each handler. A handler without a table has the defaults. What a handler can "
        "do to the worker, and what `isolate` prevents: [handlers](handlers.md#what-a-handler-can-do)."
    )

    isolate: Annotated[bool | Isolation, BeforeValidator(_isolation)] = Field(
        default=False,
        description=(
            "Call the handler in a separate process, one for each call at a time, which the worker can kill. `{ "
            "user = \"…\" }`: run it as this user, so that it can't read the worker's files ([what that "
            "takes](handlers.md#another-user))."
        ),
        json_schema_extra={"shown_type": '`true`, `false`, or `{ user = "…" }`'},
    )
    time_limit: PositiveDuration = Field(
        default=timedelta(minutes=10),
        description=(
            "How long one message may take. With `isolate` the worker then kills the process and tries the message "
            "again. Without, it logs the delay, and the message waits until the call returns."
        ),
    )
    memory: Size = Field(
        default=400_000_000,
        description=(
            "With `isolate`: how much memory each process may take for data, in addition to 200 MB for the "
            "interpreter and its libraries. `check` compares the sum with the container's limit."
        ),
    )
    concurrency: Annotated[int, Field(ge=1, le=256)] | None = Field(
        default=None,
        description=(
            "How many messages the handler gets at once. If this isn't set, a handler without `isolate` may get "
            "more while calls last longer than 30 seconds."
        ),
        json_schema_extra={"shown_default": "`[work] threads`"},
    )
    pause_after: Annotated[int, Field(ge=0)] = Field(
        default=10,
        description=(
            "The worker pauses the handler when this many different messages in a row have failed because the "
            "system behind it is down. If there is mail from other senders, two of those must have failed as well. "
            "Its mail waits without using up tries, and other handlers aren't affected. Faults of single messages "
            "don't count. 0: never."
        ),
    )
    pauses: Annotated[Waits, BeforeValidator(read_json)] = Field(
        default=tuple(timedelta(seconds=seconds) for seconds in (30, 60, 300, 900)),
        description="The 1st, 2nd, … pause. After each, the worker tries one message. The last one repeats.",
    )

    @property
    def user(self) -> str | None:
        """The user that it runs as, by name or number; None: the worker's own."""
        return self.isolate.user if isinstance(self.isolate, Isolation) else None

    def processes(self, threads: int) -> int:
        """With `isolate`: how many processes there are at most. threads: of the pool."""
        return min(self.concurrency or threads, threads)


class HandlerSettings(HandlerRules):
    """The table of one handler: what to run, and options that the handler itself validates."""

    use: str | None = None
    """An entry point or `module:name`; None: the name of the table."""
    options: dict[str, Any] = Field(default_factory=dict, repr=False)
    """The rest of the table as written, for the handler's own `Settings`."""
    from_file: frozenset[str] = frozenset()
    """The options that came from the file, which must not contain secrets."""
    folder: Path | None = None
    """The folder of the file, at which relative paths of these options begin."""
