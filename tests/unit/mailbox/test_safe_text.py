"""Of a server's words only known ones come through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.mailbox.safe_text import safe_text


@given(st.text())
def test_safe_text_is_words_of_ours(text: str) -> None:
    found = safe_text(text)
    assert len(found.split()) <= 24
    assert found.isprintable()
    assert found == found.lower() or "[" in found


@pytest.mark.parametrize(
    "secret",
    [
        "Bright-Harbour-92",
        "Password.",
        "QnJpZ2h0LUhhcmJvdXItOTI=",
        "pathology.results@nhs.net",
        "eyJ0eXAiOiJKV1QifQ.e30.x",
    ],
)
@given(
    before=st.sampled_from(["LOGIN failed: ", "b'", '"', "user=", ""]), after=st.sampled_from(["", "'", '"', " x", "."])
)
def test_safe_text_never_quotes_a_credential(secret: str, before: str, after: str) -> None:
    assert secret not in safe_text(f"{before}{secret}{after}")


def test_safe_text_says_what_is_known() -> None:
    assert safe_text("[AUTHENTICATIONFAILED] LOGIN failed. 13 secret") == "[AUTHENTICATIONFAILED] login failed 13 …"
    assert safe_text("[NOTKNOWN] foo bar LOGIN") == "… login"
    assert safe_text("b'LOGIN failed.'") == "login failed"
