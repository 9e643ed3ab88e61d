"""What a server means by a NO to a command on a folder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.mailbox.folder_refusals import Refusal, refusal_of

MEANT = {
    Refusal.EXISTS: (
        "[ALREADYEXISTS] Mailbox already exists",
        "Mailbox already exists",
        "[ALREADYEXISTS]",
        "Folder already exist.",
        "CREATE failed: mailbox exists",
        "[X-ODD] Mailbox already exists",
    ),
    Refusal.PASSING: (
        "[INUSE] Mailbox is locked by POP server",
        "[INUSE]",
        "[SERVERBUG] Internal error occurred. Refer to server log for more information.",
        "Mailbox is unavailable",
        "Mailbox is currently unavailable.",
        "mailbox temporarily unavailable due to migration",
        "The mailbox is being moved, try again later",
        "Unable to lock: in use by another session",
        "System error: timed out",
        "Backend unavailable",
        "Server too busy",
        "Temporary failure",
        "down for maintenance",
        "[X-NEW] Mailbox is locked",
    ),
    Refusal.FULL: ("[OVERQUOTA] Mailbox is full", "[OVERQUOTA] try again later"),
    Refusal.LASTING: (
        "[NOPERM] Permission denied, try again later",
        "[NONEXISTENT] Mailbox doesn't exist: Processed",
        "[TRYCREATE] no such mailbox",
        "[CANNOT] Invalid mailbox name",
        "[CONTACTADMIN] the mailbox is unavailable to you",
        "[CORRUPTION] Mailbox is locked",
        "Permission denied",
        "Invalid mailbox name",
        "Mailbox does not exist",
        "Client tried to access nonexistent namespace. (Mailbox name should probably be prefixed with: INBOX.)",
        "CREATE failed.",
        "",
    ),
}
CASES = [(text, meant) for meant, texts in MEANT.items() for text in texts]


@pytest.mark.parametrize(("text", "meant"), CASES)
@pytest.mark.parametrize("spelled", [str, str.upper, str.lower])
def test_what_a_refusal_means(text: str, meant: Refusal, spelled: type[str]) -> None:
    assert refusal_of(spelled(text)) is meant


KNOWN = {
    "ALREADYEXISTS": Refusal.EXISTS,
    "OVERQUOTA": Refusal.FULL,
    **dict.fromkeys(["INUSE", "SERVERBUG"], Refusal.PASSING),
    **dict.fromkeys(["NOPERM", "CANNOT", "NONEXISTENT", "TRYCREATE", "CORRUPTION"], Refusal.LASTING),
}
words = st.sampled_from([text.rpartition("]")[2] for text, _ in CASES])


@given(st.sampled_from(sorted(KNOWN)), words)
def test_a_known_code_decides_whatever_words_stand_beside_it(code: str, text: str) -> None:
    assert refusal_of(f"[{code}] {text}") is KNOWN[code]


@given(st.from_regex(r"[A-Z][A-Z0-9-]{2,12}", fullmatch=True).filter(lambda code: code not in KNOWN), words)
def test_beside_an_unknown_code_the_words_decide(code: str, text: str) -> None:
    assert refusal_of(f"[X-{code}] {text}") is refusal_of(text)


@given(st.text())
def test_whatever_a_server_says_means_something(text: str) -> None:
    assert refusal_of(text) in Refusal
