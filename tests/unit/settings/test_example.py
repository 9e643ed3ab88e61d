"""The example of a whole configuration has every setting, and nothing that the worker wouldn't load."""

import re
from pathlib import Path

from pydantic import BaseModel, Field, SecretStr

from tests.unit.settings.files import ENVIRON
from worker.settings import load
from worker.settings.example import WIDTH, example, handler_table, short_handler_table, without_links
from worker.settings.model import keys_of, places_of
from worker.settings.routes import HandlerRules, MatchSettings, RouteSettings
from worker.settings.tree import Settings


class Own(BaseModel):
    """Settings of a handler."""

    url: str = Field(description="Where to ([see](there.md)).", examples=["https://far.end"])
    size: int = Field(default=7, description="How much.")
    token: SecretStr | None = Field(default=None, description="A secret.")


TEXT = example({"archive": Own, "second": Own})
BEFORE_ROUTES = TEXT.partition("# [[route]]")[0]
LIVE_ROUTE = TEXT.partition("\n[[route]]")[2].partition("[handler.")[0]
UNCOMMENTED = re.compile(r"^# (\w+ = [^…\n]*)$", re.MULTILINE)


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "worker.toml"
    path.write_text(text)
    return load(path, ENVIRON, checks=())


def test_every_setting_is_in_it_under_its_table() -> None:
    for place in places_of(Settings):
        if place not in (("route",), ("handler",)):
            table = TEXT.partition(f"[{'.'.join(place[:-1])}]\n")[2].partition("\n\n\n")[0]
            assert re.search(rf"^(# )?{place[-1]} (=|is a secret)", table, re.MULTILINE), place
    for key in {*keys_of(RouteSettings), *keys_of(HandlerRules)} - {"match"}:
        assert re.search(rf"^(# )?{key} = ", TEXT, re.MULTILINE), key
    for key in keys_of(MatchSettings):
        assert re.search(rf"^# {key} = ", TEXT, re.MULTILINE), key


def test_it_loads_as_it_is_and_changes_nothing(tmp_path: Path) -> None:
    settings = loaded(tmp_path, TEXT)
    own = "[account]\naddress = 'pathology.results@nhs.net'\n[[route]]\nname = 'everything'\nhandlers = ['archive']\n"
    assert settings == loaded(tmp_path, f"{own}[handler.archive]\nurl = 'https://far.end'\n")


def test_the_defaults_that_it_shows_are_the_defaults(tmp_path: Path) -> None:
    shown, count = UNCOMMENTED.subn(r"\1", BEFORE_ROUTES)
    of_route, more = UNCOMMENTED.subn(r"\1", LIVE_ROUTE)
    assert count > 70
    assert more > 5
    rest = "[handler.archive]\nurl = 'https://far.end'\n"
    assert loaded(tmp_path, f"{shown}\n[[route]]{of_route}\n{rest}") == loaded(tmp_path, TEXT)


def test_a_secret_is_never_a_line_to_fill_in() -> None:
    assert not re.search(r"^(# )?(password|client_secret|token) = ", TEXT, re.MULTILINE)
    assert "# password is a secret. Set NHSMAIL_ACCOUNT__PASSWORD, or password_file here." in TEXT
    assert "# token is a secret. Set NHSMAIL_HANDLER__ARCHIVE__TOKEN, or token_file here." in TEXT
    assert '# token_file = "…"' in TEXT


def test_only_the_first_handler_is_live() -> None:
    assert '\n[handler.archive]\n# use = "archive"\n' in TEXT
    assert '\n# [handler.second]\n# use = "second"\n' in TEXT
    assert TEXT.count('\nurl = "https://far.end"\n') == 1


def test_no_comment_is_wider_than_the_page() -> None:
    assert max(len(line) for line in TEXT.splitlines() if line.startswith("# ") and " = " not in line) <= WIDTH


def test_nothing_in_it_is_a_link() -> None:
    assert without_links("Where to ([see](there.md)), or [there](here.md#a).") == "Where to, or there."
    assert "](" not in TEXT


def test_a_table_under_another_name_says_what_it_is() -> None:
    assert handler_table("mine", "my.module:Own", Own)[:2] == ["[handler.mine]", 'use = "my.module:Own"']
    short = ["[handler.mine]", 'use = "my.module:Own"', 'url = "https://far.end"', "# size = 7"]
    assert short_handler_table("mine", "my.module:Own", Own) == short
    assert short_handler_table("quarantine", "quarantine", None) == ["[handler.quarantine]"]
