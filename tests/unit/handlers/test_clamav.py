"""What `clamav` says of a message that clamd can't scan."""

import pytest
from pydantic import ValidationError

from handlers.clamav import ClamAV
from worker.message.outcome import Retry
from worker.testing import make_message


def test_what_clamd_cannot_scan_is_the_messages_own(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = ClamAV(ClamAV.Settings(unknown="retry"))
    answer = b"stream: Heuristics.Encrypted.Zip FOUND"
    monkeypatch.setattr(ClamAV, "_ask", lambda *_: answer)  # private: there is no clamd here
    with pytest.raises(Retry) as caught:
        handler(make_message())
    assert caught.value.this_message


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("tcp://clamd.example", True),
        ("tcp://0.0.0.0:3310", True),
        ("tcp://127.0.0.1", False),
        ("unix:///c.sock", False),
    ],
)
def test_mail_goes_to_another_machine_only_if_that_is_accepted(url: str, clear: bool) -> None:
    if clear:
        with pytest.raises(
            ValidationError, match=r"clamd to another machine is clear text.*the line: allow_clear = true"
        ):
            ClamAV.Settings(url=url)
    assert ClamAV.Settings(url=url, allow_clear=True).sends_clear is clear
