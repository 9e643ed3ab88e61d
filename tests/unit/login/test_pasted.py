"""A person who pastes the address at which the browser ended."""

import pytest

from worker.login.pasted import TRIES, PastedRedirect
from worker.login.sign_in_advice import UNFINISHED
from worker.mailbox.errors import LoginFailed

STATE = "Zp3vKqT0dS-_8mR4aYx1Bw"
SIGN_IN = "https://login.example.org/t/authorize?client_id=c"


class Typist:
    """Answers what they were given, in order, and then no more."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.said: list[str] = []
        self.asked = 0

    def tell(self, text: str) -> None:
        self.said.append(text)

    def ask(self, _prompt: str) -> str | None:
        self.asked += 1
        return self.lines.pop(0) if self.lines else None


@pytest.mark.parametrize(("port", "here"), [(0, "http://localhost"), (8400, "http://localhost:8400")])
def test_the_person_is_told_what_to_do_and_what_they_will_see(port: int, here: str) -> None:
    person = Typist(f"{here}/?code=c&state={STATE}")
    redirect = PastedRedirect(person, port=port)
    assert redirect.redirect_uri == here
    assert redirect.answer(SIGN_IN, STATE) == {"state": STATE, "code": "c"}
    assert f"open this address in any browser:\n\n{SIGN_IN}\n\n" in person.said[0]
    assert f"goes to {here}, where nothing answers. It shows an error: that is expected." in person.said[0]


def test_an_unfit_address_is_asked_for_again_with_the_reason() -> None:
    person = Typist("x", f"http://localhost/?code=c&state={STATE[1:]}", f"http://localhost/?error=e&state={STATE}")
    assert PastedRedirect(person).answer(SIGN_IN, STATE) == {"state": STATE, "error": "e"}
    assert [text.partition(". ")[0] for text in person.said[1:]] == [
        "That isn't the answer to this sign-in, because it doesn't begin with http://localhost",
        "That isn't the answer to this sign-in, because it isn't from this sign-in, but from another or an earlier one",
    ]


@pytest.mark.parametrize(("lines", "asked"), [([], 1), (["", "x"], 3), (["x"] * 50, TRIES)])
def test_a_person_who_gives_up_or_never_gets_it_right(lines: list[str], asked: int) -> None:
    person = Typist(*lines)
    with pytest.raises(LoginFailed) as caught:
        PastedRedirect(person).answer(SIGN_IN, STATE)
    assert (caught.value.failure.said, caught.value.failure.counts, person.asked) == (UNFINISHED, False, asked)
