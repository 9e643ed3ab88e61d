"""docs/configuration.md says what the settings are, and nothing else."""

import tomllib
from pathlib import Path

from worker.settings import load
from worker.settings.model import keys_of, places_of
from worker.settings.reference import reference
from worker.settings.routes import MatchSettings, RouteSettings
from worker.settings.tree import Settings
from worker.settings.wording import variable

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_committed_page_is_up_to_date() -> None:
    assert PAGE.read_text() == reference(), "run: python -m worker.settings.reference > docs/configuration.md"


def test_every_setting_is_on_the_page_with_its_variable_and_its_meaning() -> None:
    page = reference()
    single = [place for place in places_of(Settings) if place not in (("route",), ("handler",))]
    assert len(single) > 50
    for place in single:
        (row,) = [line for line in page.splitlines() if f"`{variable(place)}`" in line and line.startswith("| `")]
        setting, kind, default, meaning = (cell.strip() for cell in row.strip("|").split(" | "))
        assert setting.startswith(f"`{place[-1]}`<br>")
        assert kind
        assert default
        assert meaning.endswith("."), row


def test_every_key_of_a_route_and_its_match_is_on_the_page() -> None:
    page = reference()
    for key in [*keys_of(RouteSettings), *keys_of(MatchSettings)]:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{key}` |")]
        assert row.count(" | ") == 3


def test_the_smallest_configuration_on_the_page_is_whole(tmp_path: Path) -> None:
    text = reference().split("```toml\n")[1].split("```")[0]
    path = tmp_path / "worker.toml"
    path.write_text(text)
    settings = load(path, {}, checks=())
    assert settings.account.address == tomllib.loads(text)["account"]["address"]
    assert settings.routes[-1].takes_all
