"""A person who answers `init`, and the folder in which they do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from worker.commands.init.configure import Target, Written, init
from worker.commands.init.interview import Person
from worker.commands.init.questions import EVERY
from worker.settings import Settings, load

NOW = datetime(2026, 11, 27, 9, 30, 15, 250_000, tzinfo=UTC)
EPHEMERAL = {"NHSMAIL_STATE__EPHEMERAL": "true"}
"""A test's folder may lie in memory."""


@dataclass
class Scripted:
    """Answers in this order, and then no more."""

    answers: list[str]
    prompts: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        self.told.append(text)

    def ask(self, prompt: str) -> str | None:
        self.prompts.append(prompt)
        return self.answers.pop(0) if self.answers else None

    @property
    def heard(self) -> str:
        return "\n".join(self.told)


@dataclass
class Place:
    """A folder with the files that answers name."""

    folder: Path
    environ: dict[str, str] = field(default_factory=lambda: dict(EPHEMERAL))

    def __post_init__(self) -> None:
        (self.folder / "state").mkdir(exist_ok=True)
        self.secret = self.keep("client-secret", "application-secret-7Q~")
        self.password = self.keep("password", "Correct-Horse-Battery-7-Staple")
        self.certificate = self.keep("application.pem", "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n")

    @property
    def file(self) -> Path:
        return self.folder / "worker.toml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def keep(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def init(
        self,
        options: Mapping[str, str],
        person: Person | None = None,
        *,
        replace: bool = False,
        looks: bool | None = False,
    ) -> Written:
        """options: by their names, without hyphens. person: None: nobody can be asked."""
        places = {question.option[2:].replace("-", "_"): question.place for question in EVERY}
        given = {places[name]: text for name, text in options.items()}
        target = Target(self.file, self.environ, replace)
        return init(target, given, NOW, person or Scripted([]), asks=person is not None, looks=looks)

    def settings(self) -> Settings:
        """What was written, with the same checks as `check` makes."""
        return load(self.file, self.environ)

    def left(self) -> set[str]:
        """What lies in the folder, besides what was put there."""
        there = {"state", "client-secret", "password", "application.pem"}
        return {path.name for path in self.folder.iterdir()} - there


def client(place: Place, *, since: str = "now", address: str = "pathology.results@nhs.net") -> dict[str, str]:
    """The options of a worker that signs in by itself, with a secret."""
    return {
        "address": address,
        "auth": "oauth2-client",
        "tenant": "11111111-2222-3333-4444-555555555555",
        "client_id": "66666666-7777-8888-9999-000000000000",
        "client_secret_file": str(place.secret),
        "state_dir": str(place.state),
        "since": since,
    }


def scripted(*answers: str | Iterable[str]) -> Scripted:
    flat: list[str] = []
    for answer in answers:
        flat.extend([answer] if isinstance(answer, str) else answer)
    return Scripted(flat)
