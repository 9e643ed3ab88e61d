"""The worker on servers that keep folders elsewhere, call them otherwise, or refuse them, up to its exit codes."""

import json
from collections.abc import Callable
from functools import partial

import pytest

from tests.rig.dovecot import JUNK, Dovecot, Mailbox
from tests.rig.letters import letter, letters, spam
from tests.rig.proxy import Answer, Call, Proxy
from tests.rig.tls import Authority
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]
MakeDovecot = Callable[..., Dovecot]
ADDRESS = "pathology.results@nhs.net"


def names(server: Dovecot) -> set[str]:
    with server.client() as person:
        return {name for _, _, name in person.list_folders()}


def held(server: Dovecot, folder: str) -> int:
    with server.client() as person:
        return int(person.folder_status(folder, ["MESSAGES"])[b"MESSAGES"])


@pytest.fixture
def elsewhere(make_dovecot: MakeDovecot, request: pytest.FixtureRequest) -> tuple[Dovecot, Mailbox, str]:
    """A Dovecot whose personal namespace has a prefix."""
    prefix, separator, special_use = request.param
    extra = f"namespace inbox {{\n  prefix = {prefix}\n  separator = {separator}\n}}"
    server = make_dovecot(extra=extra, special_use=special_use, users={})
    return server, server.add_user(ADDRESS, "Bright-Harbour-92"), prefix


NAMESPACES = [
    ("INBOX.", ".", False),
    pytest.param(("INBOX/", "/", False), marks=pytest.mark.slow),
    pytest.param(("INBOX.", ".", True), marks=pytest.mark.slow),
    pytest.param(("Mail|", "|", True), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("elsewhere", NAMESPACES, indirect=True)
def test_default_names_go_below_the_prefix_of_the_namespace(
    authority: Authority, elsewhere: tuple[Dovecot, Mailbox, str], make_worker: MakeWorker
) -> None:
    server, mailbox, prefix = elsewhere
    server.append_many("INBOX", [*letters(3), spam(4)])
    failing = {"handler.no": {"use": "tests.rig.handlers:Failing", "how": "reject"}, "junk": {"handlers": ["ledger"]}}
    with Proxy(authority, (server.host, server.port)) as proxy:
        worker = make_worker(proxy, mailbox=mailbox, settings=failing)
        worker.routes = [
            {"name": "bad", "handlers": ["no"], "match": {"subject": "*3"}},
            {"name": "all", "handlers": ["ledger"]},
        ]
        worker.write()

        checked = worker.command("check", "--connect")
        assert checked.code == 0
        assert f"'{prefix}Processed' ([settle] handled), '{prefix}Failed' ([settle] failed)" in checked.out
        assert not any(command.startswith("CREATE") for command in proxy.commands)

        ended = worker.command("once")
        assert ended.code in {0, 1}, ended
        assert sorted(call.number for call in worker.handed()) in ([1, 2, 3, 4], [1, 2, 4])
        assert {f"{prefix}Processed", f"{prefix}Failed"} <= names(server)
        assert "Processed" not in names(server)
        assert held(server, "INBOX") == 0
        assert held(server, f"{prefix}Processed") + held(server, f"{prefix}Failed") == 3
        assert held(server, f"{prefix}{JUNK}") == 1
        balance = worker.reconcile()
        assert (balance["seen"], balance["unaccounted"], balance["missing"]) == (4, 0, 0)

        before = len(proxy.commands)
        assert worker.once() == 0
        assert not any(command.startswith("CREATE") for command in proxy.commands[before:])

        (worker.state / "journal.sqlite").unlink()
        for rest in worker.state.glob("journal.sqlite-*"):
            rest.unlink()
        assert worker.command("login", "reset", "--reason", "rebuilt").code == 0
        rebuilt = worker.command("journal", "rebuild")
        assert rebuilt.code == 0, rebuilt
        balance = worker.reconcile()
        assert (balance["handled"] + balance["failed"], balance["junk"], balance["unaccounted"]) == (3, 1, 0)


@pytest.mark.parametrize("elsewhere", NAMESPACES[:1], indirect=True)
def test_chosen_names_are_taken_as_written_and_found_below_the_prefix(
    elsewhere: tuple[Dovecot, Mailbox, str], make_worker: MakeWorker
) -> None:
    server, mailbox, _ = elsewhere
    with server.client() as person:
        person.create_folder("INBOX.Done")
        person.create_folder("INBOX.Results")
        person.append("INBOX.Results", letter(1))
    chosen = {"poll": {"folders": ["INBOX", "Results"]}, "settle": {"handled": "Done"}, "junk": {"folder": JUNK}}
    worker = make_worker(mailbox=mailbox, settings=chosen)
    assert worker.once() == 0
    assert (held(server, "INBOX.Results"), held(server, "INBOX.Done")) == (0, 1)
    assert worker.reconcile()["unaccounted"] == 0

    with server.client() as person:
        person.append("INBOX.Done", letter(2))  # which somebody else has handled
    assert worker.once() == 0
    assert worker.status()["unexplained"] == 1

    worker.configure(settle={"handled": "Work"})
    refused = worker.command("once")
    assert refused.code == 78
    assert "[settle] handled" in refused.err
    assert "write 'INBOX.Work'" in refused.err
    worker.configure(settle={"handled": "INBOX.Work"})
    assert worker.once() == 0
    assert "INBOX.Work" in names(server)


# -- a server that says no UIDNEXT with SELECT


def test_a_server_that_says_no_uidnext_with_select(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    proxy.rewrite_answers(rb"\* OK \[UIDNEXT \d+\].*?(\r\n)", rb"* OK that is all\1")
    dovecot.append_many("INBOX", [*letters(3), spam(4)])
    worker = make_worker(proxy)
    assert worker.command("check", "--connect").code == 0
    assert worker.command("once", "--dry-run").code == 0
    assert worker.once() == 0
    assert len(worker.handed()) == 3
    assert worker.once() == 0
    assert worker.reconcile()["unaccounted"] == 0
    with worker.running():
        dovecot.append_many("INBOX", [letter(5)])
        eventually(lambda: len(worker.handed()) == 4)
        dovecot.append_many("INBOX", [letter(6)])
        eventually(lambda: len(worker.handed()) == 5)
    assert worker.reconcile()["unaccounted"] == 0


def test_a_poll_costs_no_more_where_select_says_all(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    worker = make_worker(proxy)

    def once() -> None:
        assert worker.once() == 0
        eventually(lambda: proxy.commands[-1] == "LOGOUT")  # whose arrival the worker doesn't wait for

    once()
    before = len(proxy.commands)
    once()
    asked = [
        command.split()[0] for command in proxy.commands[before:] if not command.startswith(("LOGIN", "CAPABILITY"))
    ]
    # STATUS asks whether new mail lies in the folder of handled mail that another worker may have put there
    assert asked == ["LIST", "STATUS", "SELECT", "UID", "SELECT", "UID", "LOGOUT"], asked


# -- refusals, up to the exit code


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("NO [INUSE] locked by another session", 75, ["again later"]),
        ("NO Mailbox is unavailable", 75, ["again later"]),
        pytest.param("NO [UNAVAILABLE] not now", 69, ["again later"], marks=pytest.mark.slow),
        pytest.param("NO [LIMIT] not so many", 75, ["Try again after"], marks=pytest.mark.slow),
        ("NO [NOPERM] Permission denied", 78, ["[settle] handled", "'Processed'"]),
        ("NO Invalid mailbox name", 78, ["[settle] handled", "'Processed'"]),
        pytest.param("NO [OVERQUOTA] Mailbox is full", 78, ["[settle] handled", "quota"], marks=pytest.mark.slow),
        ("BAD Command Argument Error. 11", 78, ["[settle] handled"]),
    ],
)
def test_a_refused_create_says_what_to_do(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, said: str, code: int, words: list[str]
) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(proxy)
    rule = proxy.on("^CREATE", Answer(f"{{tag}} {said}"), times=None)
    ended = worker.command("once")
    assert ended.code == code, ended
    assert all(word.casefold() in ended.err.casefold() for word in words), ended.err
    assert "please report" not in ended.err.casefold()
    assert worker.handed() == []
    assert len(dovecot.stored("INBOX")) == 1
    rule.remove()
    assert worker.once() == 0
    assert len(worker.handed()) == 1


@pytest.mark.parametrize("said", ["NO [ALREADYEXISTS] there is one", "NO Mailbox already exists"])
def test_a_folder_that_exists_by_now_is_a_success(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, said: str
) -> None:
    with dovecot.client() as person:
        for name in ("Processed", "Failed"):
            proxy.on(f"^CREATE .?{name}", Call(partial(person.create_folder, name)), Answer(f"{{tag}} {said}"))
        dovecot.append_many("INBOX", letters(1))
        worker = make_worker(proxy)
        assert worker.once() == 0
    assert len(dovecot.stored("Processed")) == 1


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("NO [INUSE] locked by another session", 75, ["'INBOX'", "again later"]),
        pytest.param("NO Mailbox is unavailable", 75, ["'INBOX'", "again later"], marks=pytest.mark.slow),
        pytest.param("NO [UNAVAILABLE] not now", 69, ["again later"], marks=pytest.mark.slow),
        ("NO [NOPERM] Permission denied", 78, ["'INBOX'", "[poll] folders"]),
        ("NO [NONEXISTENT] no such folder", 78, ["'INBOX'", "[poll] folders"]),
    ],
)
def test_a_refused_select_says_what_to_do_and_one_that_passes_is_tried_again(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, said: str, code: int, words: list[str]
) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(proxy)
    rule = proxy.on("^SELECT .?INBOX", Answer(f"{{tag}} {said}"), times=None)
    ended = worker.command("once")
    assert ended.code == code, ended
    assert all(word in ended.err for word in words), ended.err
    assert rule.hits == (1 if code == 78 else 2)  # [poll] reconnect has one wait
    assert worker.command("check", "--connect").code == code
    rule.remove()
    proxy.on("^SELECT .?INBOX", Answer(f"{{tag}} {said}"), times=1)
    assert worker.once() == (0 if code != 78 else 78)


def test_a_running_worker_goes_on_when_a_refusal_has_passed(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(1))
    created = proxy.on("^CREATE .?Processed", Answer("{tag} NO [INUSE] not now"), times=2)
    selected = proxy.on("^SELECT .?INBOX", Answer("{tag} NO Mailbox is unavailable"), times=2)
    with make_worker(proxy).running():
        eventually(lambda: dovecot.stored("Processed") == [letter(1)])
    assert (created.hits, selected.hits) == (2, 2)


def test_mail_whose_folder_is_in_use_is_not_taken_for_lost(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    """Its copy in INBOX has its headers: while the folder can't be opened, nobody knows whether it lies there."""
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(proxy)
    assert worker.once() == 0
    dovecot.append_many("INBOX", letters(1))
    proxy.on("^SELECT .?Processed", Answer("{tag} NO [INUSE] locked"), times=1)
    assert worker.once() == 0
    assert len(worker.handed()) == 2
    assert worker.reconcile()["handled"] == 2


# -- check promises nothing that it hasn't tried


def test_check_opens_what_it_needs_and_promises_no_more(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(2))
    with dovecot.client() as person:
        person.create_folder("Failed")
    worker = make_worker(proxy)
    checked = worker.command("check", "--connect")
    assert checked.code == 0
    assert "Opened 'INBOX': 2 messages." in checked.out
    assert f"Opened '{JUNK}': 0 messages." in checked.out
    assert "Opened 'Failed': 0 messages." in checked.out
    assert "Missing folders: 'Processed' ([settle] handled)." in checked.out
    assert "This check didn't try it." in checked.out
    assert "created when" not in checked.out
    assert not any(command.startswith("CREATE") for command in proxy.commands)
    proxy.on("^SELECT .?Failed", Answer("{tag} NO [NOPERM] no"), times=1)
    refused = worker.command("check", "--connect")
    assert (refused.code, "[settle] failed" in refused.err) == (78, True)


def test_check_finds_a_folder_that_may_only_be_read(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    proxy.rewrite_answers(rb"OK \[READ-WRITE\]", b"OK [READ-ONLY]")
    checked = make_worker(proxy).command("check", "--connect")
    assert checked.code == 1
    assert "The server lets this account only read 'INBOX': no message can be moved out of it." in checked.out


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"poll": {"folders": ["INBOX", "Results"]}}, "[poll] folders"),
        ({"junk": {"folder": "Results"}}, "[junk] folder"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_those_that_are(
    dovecot: Mailbox, make_worker: MakeWorker, settings: dict[str, dict[str, object]], setting: str
) -> None:
    with dovecot.client() as person:
        person.create_folder("Lab results")
        person.create_folder("Smith, J\N{RIGHT-TO-LEFT OVERRIDE}")
    worker = make_worker(settings=settings)
    for command in ("once", "check --connect", "reconcile"):
        ended = worker.command(*command.split())
        assert ended.code == 78
        assert f"no folder 'Results': correct {setting}" in ended.err
        assert "Its folders are 'Lab results'" in ended.err
        assert "'Smith, J?'" in ended.err
    with worker.running():
        eventually(lambda: worker.events("worker.not_ready"))
    logged = json.dumps(worker.events())
    assert "Smith" not in logged
    assert "check --connect` to list the folders" in logged
