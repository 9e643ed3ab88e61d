"""Mail and rules to route it by."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from worker.handling.routing.router import Router
from worker.message.mime.limits import MessageUnparsable
from worker.message.verdict import Evidence, MailPath
from worker.settings import RouteSettings


@dataclass
class Attached:
    filename: str | None
    content_type: str = "application/pdf"
    detected_type: str = "application/pdf"
    mismatched: bool = False


@dataclass
class Headers:
    values: dict[str, list[str]]
    over_limit: str | None = None

    @property
    def truncated(self) -> bool:
        return self.over_limit is not None

    def get_all(self, name: str) -> list[str]:
        return self.values.get(name.lower(), [])


@dataclass
class Mail:
    """A message that records whether its parts were read."""

    path: MailPath = MailPath.CLEAN
    evidence: Sequence[Evidence] = ()
    sender: str | None = "reports@lab.nhs.uk"
    to: Sequence[str] = ("results@nhs.net",)
    cc: Sequence[str] = ()
    size: int = 5_000
    kind: str = "mail"
    protection: str | None = None
    notices: Sequence[str] = ()
    files: Sequence[Attached] = ()
    unreadable: bool = False
    headers: Headers = field(default_factory=lambda: Headers({"subject": ["Report 7"], "x-ward": ["A", "B"]}))
    looked_inside: bool = False

    @property
    def attachments(self) -> Sequence[Attached]:
        self.looked_inside = True
        if self.unreadable:
            raise MessageUnparsable
        return self.files


def rule(
    name: str, match: dict[str, Any] | None = None, handlers: Sequence[str] = (), *, goes_on: bool = False
) -> RouteSettings:
    written = {"name": name, "handlers": handlers or [f"to-{name}"], "continue": goes_on}
    return RouteSettings.model_validate(written if match is None else {**written, "match": match})


REST = rule("rest")


def taken_by(match: dict[str, Any], mail: Mail) -> bool:
    return Router([rule("first", match), REST], ["quarantine"]).route(mail).route == "first"


_addresses = st.sampled_from(["*", "*@lab.nhs.uk", "reports@*", "nobody@nowhere"])


_matches = st.none() | st.fixed_dictionaries(
    {}, optional={"from": _addresses, "subject": st.sampled_from(["*", "Report*", "x"]), "kind": st.just("mail")}
)


RULES = st.lists(st.tuples(_matches, st.booleans()), max_size=5).map(
    lambda drawn: [
        *[rule(f"r{number}", match, goes_on=goes_on) for number, (match, goes_on) in enumerate(drawn)],
        REST,
    ]
)
