"""What the text of an answer says by itself."""

import pytest

from worker.mailbox.response_text import backoff_of, code_of


@pytest.mark.parametrize(
    ("text", "code"),
    [("[ALERT] x", "ALERT"), ("  [x-y2] x", "X-Y2"), ("x [ALERT]", None), ("", None), ("[ ALERT]", None)],
)
def test_the_code_is_at_the_beginning(text: str, code: str | None) -> None:
    assert code_of(text) == code


def test_a_backoff_without_a_number_is_none() -> None:
    assert backoff_of("Suggested Backoff Time: soon") is None
