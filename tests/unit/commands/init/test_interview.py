"""Whatever is answered: what is written passes `check`, says what was answered, and otherwise nothing is written."""

import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, assume, example, given, settings
from hypothesis import strategies as st

from tests.unit.commands.init.answering import Place, client
from worker.commands.exits import ExitCode, Failure
from worker.commands.init.draft import text_of
from worker.commands.init.flows import FLOWS
from worker.commands.init.questions import EVERY, Answers, Kind, Question
from worker.settings import Settings

STRANGE = (
    *("it's", 'a "quoted" word', '"""', "'''", "back\\slash", "\\u0041", "two\nlines", "tab\there", "\r", "\x7f"),
    *("Žluťoučký kůň", "日本", "\u2028", "\U0001f600", "#x = 1", "[state]", "true", "1979-05-27"),
)
TEXTS = st.sampled_from(STRANGE) | st.text(max_size=12)
NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
) | st.sampled_from([name for name in STRANGE if "/" not in name])

PHASES = (Phase.explicit, Phase.generate)  # to shrink a failure takes minutes; what was drawn is shown as it is


class Drawn:
    """Answers what is drawn: mostly something that may be right, now and then anything."""

    def __init__(self, data: st.DataObject, place: Place, most: int = 60) -> None:
        self._data = data
        self._place = place
        self._left = most
        self.told: list[str] = []

    def tell(self, text: str) -> None:
        self.told.append(text)

    def ask(self, prompt: str) -> str | None:
        self._left -= 1
        if self._left < 0 or self._data.draw(st.integers(0, 80)) == 0:
            return None
        question = next((one for one in EVERY if prompt.startswith(one.asks)), None)
        return self._data.draw(TEXTS if self._data.draw(st.integers(0, 9)) == 0 else self._likely(question, prompt))

    def _likely(self, question: Question | None, prompt: str) -> st.SearchStrategy[str]:
        place = self._place
        if question is None:  # the questions that aren't about one setting
            return st.sampled_from(["y", "n", "", "1", "2", "3", "now", "all", "2026-01-31", "2027-01-31"])
        if question.choices:
            return st.sampled_from([choice.name for choice in question.choices] + ["1", "2", "3", ""])
        match question.place[-1]:
            case "address" | "sign_in":
                return st.sampled_from(["pathology.results@nhs.net", "o'brien\\x@nhs.net", "žofie@nhs.net", ""])
            case "host":
                return st.sampled_from(["", "mail.example", "::1", "two words"])
            case "port":
                return st.sampled_from(["", "993", "0", "65536", "1e3"])
            case "dir":
                return st.builds(lambda name: str(place.state / name), NAMES)
            case "url":
                return st.builds(lambda name: str(place.state / name), NAMES) | st.just("")
            case "ca_file":
                return st.sampled_from(["", str(place.certificate), str(place.folder / "gone")])
            case "certificate_file":
                return st.sampled_from(["", "", str(place.certificate), str(place.secret)])
            case "client_secret_file" | "password_file":
                return st.sampled_from([str(place.secret), str(place.password), str(place.folder / "gone"), ""])
        if question.kind is Kind.DAY:
            return st.sampled_from(["", "2026-11-01", "2026-02-30", "1-1-2026"])
        return TEXTS


@settings(max_examples=15, deadline=None, phases=PHASES)
@given(st.data())
def test_what_is_written_passes_check_or_nothing_is_written(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        person = Drawn(data, place)
        try:
            written = place.init({}, person)
        except Failure as failure:
            if failure.code != ExitCode.NOT_NOW:
                raise
            assert place.left() == set(), "nothing is left of it"
            return
        found = place.settings()
        assert place.left() == {"worker.toml"}
        assert written.lines[0].startswith("The configuration is sound: ")
        assert tomllib.loads(place.file.read_text())["account"]["address"] == found.account.address
        assert "since" in found.poll.model_fields_set


def value_of(question: Question) -> st.SearchStrategy[Any]:
    if question.kind is Kind.NUMBER:
        return st.integers(1, 65535)
    if question.kind in (Kind.DAY, Kind.SINCE):
        return st.dates()
    return TEXTS


ANSWERS: st.SearchStrategy[Answers] = st.fixed_dictionaries({}, optional={one.place: value_of(one) for one in EVERY})


@settings(max_examples=200, phases=PHASES)
@given(ANSWERS)
@example({one.place: STRANGE[at % len(STRANGE)] for at, one in enumerate(EVERY)})
def test_the_text_is_toml_and_says_the_answers(answers: Answers) -> None:
    read = tomllib.loads(text_of(answers))
    for place, value in answers.items():
        at: Any = read
        for key in place:
            at = at[key]
        assert at == value
    assert read["route"] == [{"name": "everything", "handlers": ["archive"]}]


@settings(max_examples=15, deadline=None, phases=PHASES)
@given(NAMES, NAMES)
def test_paths_of_any_name_come_back_as_they_were_given(state: str, archive: str) -> None:
    assume({".", ".."}.isdisjoint((state, archive)))
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        options = {**client(place), "state_dir": str(place.state / state), "archive": str(place.state / archive)}
        if len(state.encode()) > 255 or state != state.strip():
            return
        place.init(options)
        found = place.settings()
        assert found.state.dir == place.state / state
        assert (place.state / archive).is_dir(), "the handler has made its folder there"
        assert isinstance(found, Settings)


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_a_character_that_no_file_can_hold_is_refused(tmp_path: Path, flow: Any) -> None:
    place = Place(tmp_path)
    for bad, words in (("/a\udce9b", "isn't UTF-8 text"), ("/a\0b", "has a NUL")):
        options = {**client(place), "auth": flow.name, "state_dir": bad}
        with pytest.raises(Failure, match="--state-dir: It") as refused:
            place.init(options)
        assert words in str(refused.value)
        assert refused.value.code == ExitCode.USAGE
