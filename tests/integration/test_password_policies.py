"""A password that the policy text forbids and that NHSmail takes, from the refusal to the message that is handled."""

from collections.abc import Callable

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.worker import Worker

MakeWorker = Callable[..., Worker]
EXAMPLE = "correcthorsebattery"


def test_a_password_of_today_is_refused_with_the_policy_that_takes_it_and_taken_under_that(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(2))
    dovecot.set_password(EXAMPLE)
    worker = make_worker(dovecot)
    (worker.folder / "password").write_text(EXAMPLE)

    told = [worker.command(*command) for command in (["check"], ["once"], ["check", "--connect"], ["login", "status"])]
    assert [answer.code for answer in told] == [1, 77, 77, 0]
    for answer in told:
        assert "it has fewer than three of the four kinds" in answer.out + answer.err
        assert '(policy "nhsmail"; it would pass under "nhsmail-2019")' in answer.out + answer.err
    assert worker.events("login.refused")
    assert dovecot.history == []

    worker.configure(password={"policy": "application-account"})
    assert 'it would pass under "nhsmail-2019"' in worker.command("once").err
    worker.configure(password={"policy": "nhsmail-2019", "owner_names": ["Jane", "Horse"]})
    assert "the owner's first or last name" in worker.command("once").err
    assert dovecot.history == []

    worker.configure(password={"policy": "nhsmail-2019", "owner_names": None})
    assert worker.command("check").code == 0
    assert worker.once() == 0
    assert (dovecot.history, len(worker.handed())) == (["ok"], 2)
    assert round(worker.status()["password"]["days_left"] / 365, 2) == 1.0

    kept = b"".join(
        path.read_bytes() for path in worker.folder.rglob("*") if path.is_file() and path.name != "password"
    )
    logged = str(worker.events()) + "".join(answer.out + answer.err for answer in told)
    assert EXAMPLE.encode() not in kept
    assert EXAMPLE not in logged
