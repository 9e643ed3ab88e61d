"""What `status` says of the login and the password, where it isn't simply the guard's standing."""

from dataclasses import replace

from tests.unit.login.memory import MemoryLedger, Process, Store
from tests.unit.login.world import ACCOUNT
from worker.journal.attempts import SUCCEEDED
from worker.login.backoff import Lockout
from worker.login.credential import Token
from worker.login.login_status import POLICY, LoginStatus, kind_of, login_status
from worker.login.password_policy import DAY, Age
from worker.login.standing import Standing, State
from worker.mailbox.login_failures import FailureClass

NOW = 1_800_000_000.0


def ledger(kind: str, *, rejected: int = 0, ago: float = DAY, refused: str | None = None) -> MemoryLedger:
    found = MemoryLedger(Store(), Process())
    name = f"{kind}:a"
    found.saw(name, NOW - 10 * DAY, password=kind == "password", refused=refused)
    for _ in range(rejected):
        at = {"at": NOW - ago, "jitter": 0.0, "floor": 0, "epoch": "e", "actor": "r"}
        number = found.begin(after=found.history().head, kind=kind, credential=name, **at)
        cls = FailureClass.REJECTED if kind == "password" else FailureClass.TOKEN_REJECTED
        found.finish(number, outcome=cls, counts=True, at=NOW - ago, retry_after=None, said="")
    return found


def status(found: MemoryLedger, *, changed: float | None = None) -> LoginStatus:
    return login_status(found, Lockout(), max_age=90 * DAY, changed=changed, now=NOW)  # type: ignore[arg-type] # as one


def test_a_fingerprint_says_what_it_is_of() -> None:
    assert [kind_of(name) for name in ("token:a", "password:token:", None)] == ["token", "password", "password"]


def test_tokens_have_their_own_limit() -> None:
    found = status(ledger("token", rejected=3))
    assert (found.standing.state, found.standing.reason, found.standing.failures) == (State.HALTED, "token", 0)
    assert (found.standing.remaining, found.standing.remaining_for_credential, found.standing.said) == (8, 0, "")


def test_a_password_that_isnt_fit_hides_no_failures() -> None:
    found = status(ledger("password", rejected=2, ago=1.0, refused="it is too short"))
    assert found.standing == Standing(State.HALTED, 2, 6, 3, None, POLICY)
    assert found.detail == "it is too short"


def answered(found: MemoryLedger, kind: str, outcome: str, wait: float | None = None) -> None:
    """Another attempt, now, that doesn't count."""
    at = {"at": NOW, "jitter": 0.0, "floor": 0, "epoch": "e", "actor": "r"}
    number = found.begin(after=found.history().head, kind=kind, credential=f"{kind}:a", **at)
    found.finish(number, outcome=outcome, counts=False, at=NOW, retry_after=wait, said="")


def test_two_waits_that_end_together_are_one() -> None:
    found = ledger("password", rejected=1, ago=0.0)
    answered(found, "password", FailureClass.THROTTLED, 60.0)
    answer = status(found).standing
    assert (answer.state, answer.next_at) == (State.COOLING, NOW + 60)


def test_a_password_waits_as_asked_though_a_token_got_in_meanwhile() -> None:
    found = ledger("password")
    answered(found, "password", FailureClass.THROTTLED, 300.0)
    answered(found, "token", SUCCEEDED)
    assert status(found).standing.next_at == NOW + 300


def test_a_password_is_as_old_as_the_settings_say_or_as_first_seen() -> None:
    assert status(ledger("password")).age == Age(NOW - 10 * DAY, NOW + 80 * DAY, 80)
    set_by_hand = Age(NOW - 20 * DAY, NOW + 70 * DAY, 70)
    assert status(ledger("password"), changed=NOW - 20 * DAY).age == set_by_hand
    nobody_yet = MemoryLedger(Store(), Process())
    assert status(nobody_yet, changed=NOW - 20 * DAY).age == set_by_hand
    assert status(nobody_yet).age is None


def test_a_token_has_no_password_and_so_no_age() -> None:
    assert status(ledger("token")).age is None
    assert status(ledger("token"), changed=NOW - 20 * DAY).age is None


def test_a_success_is_in_no_way_a_failure() -> None:
    found = ledger("password", rejected=1)
    found.store.records[0] = replace(found.store.records[0], outcome=SUCCEEDED, counts=False)
    assert status(found).standing.failures == 0


def test_a_token_is_sent_for_its_user() -> None:
    assert Token(ACCOUNT, "abc").mechanism()(b"") == f"user={ACCOUNT}\x01auth=Bearer abc\x01\x01".encode()
