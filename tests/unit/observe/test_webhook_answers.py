"""What a webhook answers: never more than a person may see."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.observe.send_advice import possible
from worker.observe.webhook_answers import LONGEST_BODY, answer_of, why_not_posted

SECRETS = ("T0A1B2C3D", "B9Z8Y7X6W", "xXyYzZ0123456789abcd", "sig-of-the-flow")
URL = httpx.URL(f"https://hooks.example/services/{SECRETS[0]}/{SECRETS[1]}/{SECRETS[2]}?sig={SECRETS[3]}&v=1.0")


@given(st.integers(100, 999).filter(lambda status: not 200 <= status < 300))
def test_any_status_means_something_that_a_person_is_told(status: int) -> None:
    assert why_not_posted(status) in possible("webhook")


@given(st.lists(st.sampled_from([*SECRETS, str(URL), URL.raw_path.decode(), "no_service", " ", "\x1b[2J", "é", "/"])))
def test_no_part_of_the_url_is_shown_nor_what_does_not_print(parts: list[str]) -> None:
    shown = answer_of(httpx.Response(404, text="".join(parts)), URL)
    assert not any(secret in shown for secret in SECRETS)
    assert shown.isprintable()
    assert len(shown) <= 6 * LONGEST_BODY + 30


@pytest.mark.parametrize(("status", "shown"), [(202, "HTTP 202 Accepted"), (799, "HTTP 799")])
def test_the_status_is_named(status: int, shown: str) -> None:
    assert answer_of(httpx.Response(status), URL) == shown
