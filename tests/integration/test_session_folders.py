"""What the session makes of a server's answers about folders, each said by a script over a real socket."""

from collections.abc import Callable
from contextlib import closing

import pytest

from tests.integration.test_session import at_work
from tests.rig.scripted import ScriptedServer, Step, answer
from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    FolderBusy,
    FolderRefused,
    MailboxError,
    ProtocolFault,
    ServerUnavailable,
    Throttled,
)
from worker.mailbox.folder_refusals import Refusal
from worker.mailbox.folders import FolderInfo
from worker.mailbox.session import FolderState, Session

Scripted = Callable[..., ScriptedServer]
EXISTS, VALID, NEXT = "* 3 EXISTS", "* OK [UIDVALIDITY 14] valid", "* OK [UIDNEXT 10] next"


def select(*lines: str, then: str = "{tag} OK [READ-WRITE] done") -> list[Step]:
    return answer(r"\w+ SELECT .*", *lines, then)


def status(items: str) -> list[Step]:
    return answer(r"\w+ STATUS .*", f"* STATUS Results ({items})", "{tag} OK done")


# -- SELECT that doesn't say everything


@pytest.mark.parametrize("lines", [[EXISTS, VALID], [EXISTS, NEXT], [EXISTS]])
def test_what_select_leaves_out_is_asked_by_status_around_it(scripted: Scripted, lines: list[str]) -> None:
    session = at_work(
        scripted,
        *select(*lines),
        *status("MESSAGES 3 UIDNEXT 10 UIDVALIDITY 14"),
        *select(*lines),
        *status("MESSAGES 3 UIDNEXT 10 UIDVALIDITY 14"),
        # from here on it is known, so it is asked first
        *status("UIDVALIDITY 15 UIDNEXT 12 MESSAGES 5"),
        *select("* 4 EXISTS", *lines[1:]),
        *status("UIDVALIDITY 15 UIDNEXT 12 MESSAGES 4"),
    )
    with closing(session):
        assert session.select("Results") == session.selected_state == FolderState(14, 10, 3)
        assert session.selected == "Results"
        state = session.select("INBOX")
        assert state.messages == 4
        assert state.uidnext == (10 if NEXT in lines else 12)
        assert state.uidvalidity == (14 if VALID in lines else 15)


def test_what_arrives_between_the_two_is_not_missed(scripted: Scripted) -> None:
    """A message came, and another went: the count alone is what it was."""
    session = at_work(
        scripted,
        *select(EXISTS, VALID),
        *status("MESSAGES 3 UIDNEXT 10 UIDVALIDITY 14"),
        *select(EXISTS, VALID),
        *status("MESSAGES 3 UIDNEXT 11 UIDVALIDITY 14"),
        *select(EXISTS, VALID),
        *status("MESSAGES 3 UIDNEXT 11 UIDVALIDITY 14"),
    )
    with closing(session):
        assert session.select("Results") == FolderState(14, 11, 3)


def test_select_that_says_everything_costs_one_round_trip(scripted: Scripted) -> None:
    session = at_work(scripted, *select(EXISTS, VALID, NEXT), *select(EXISTS, NEXT, VALID))
    with closing(session):
        assert session.select("Results") == session.select("Results")


@pytest.mark.parametrize(
    "items", ["MESSAGES 3 UIDVALIDITY 14", "UIDNEXT 10 UIDVALIDITY 14", "MESSAGES 3 UIDNEXT 10", ""]
)
def test_a_server_that_never_says_it_is_not_understood(scripted: Scripted, items: str) -> None:
    session = at_work(scripted, *select(EXISTS), *status(items))
    with pytest.raises(ProtocolFault):
        session.select("Results")
    assert not session.is_open


def test_a_folder_that_may_only_be_read_can_be_read(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *select(EXISTS, VALID, NEXT, then="{tag} OK [READ-ONLY] done"),
        *answer(r"\w+ UID SEARCH .*", "* SEARCH 4", "{tag} OK done"),
        *answer(r"\w+ NOOP", "{tag} OK done"),
        *select(EXISTS, VALID, NEXT),
    )
    with closing(session):
        assert session.select("Results") == FolderState(14, 10, 3)
        assert session.read_only
        assert session.search(uidnext=10) == {4}
        assert not session.noop()
        session.select("INBOX")
        assert not session.read_only


# -- refusals: every answer to every command

REFUSALS: list[tuple[str, type[MailboxError]]] = [
    ("NO [INUSE] Mailbox is locked by POP server", FolderBusy),
    ("NO [SERVERBUG] Internal error occurred", FolderBusy),
    ("NO Mailbox is unavailable", FolderBusy),
    ("NO Mailbox is being migrated, try again later", FolderBusy),
    ("NO [UNAVAILABLE] come back", ServerUnavailable),
    ("NO Server Unavailable. 15", ServerUnavailable),
    ("NO [LIMIT] too many folders", Throttled),
    ("NO Request is throttled. Suggested Backoff Time: 1000 milliseconds", Throttled),
    ("NO [NOPERM] Permission denied", CommandRefused),
    ("NO [CANNOT] Invalid mailbox name", CommandRefused),
    ("NO [NONEXISTENT] no such mailbox", CommandRefused),
    ("NO [OVERQUOTA] full", CommandRefused),
    ("NO [TRYCREATE] no such mailbox", CommandRefused),
    ("NO Permission denied", CommandRefused),
    ("NO no", CommandRefused),
    ("BAD Command Argument Error. 12", ProtocolFault),
]
COMMANDS: dict[str, Callable[[Session], object]] = {
    "SELECT": lambda session: session.select("Results"),
    "STATUS": lambda session: session.status("Results"),
    "CREATE": lambda session: session.create("Results"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("said", "error"), REFUSALS)
def test_each_refusal_is_what_it_is(scripted: Scripted, command: str, said: str, error: type[MailboxError]) -> None:
    refused = answer(rf"\w+ {command} .*", f"{{tag}} {said}")
    looked = answer(r"\w+ LIST .*", '* LIST () "/" INBOX', "{tag} OK done")
    is_asked = command == "CREATE" and error is CommandRefused
    session = at_work(scripted, *refused, *(looked if is_asked else []))
    with closing(session):
        with pytest.raises(error) as met:
            COMMANDS[command](session)
        assert session.is_open == (error in (CommandRefused, FolderBusy))
    if error is FolderBusy:
        assert "'Results'" in str(met.value)
    if error is CommandRefused and command != "CREATE":
        assert isinstance(met.value, FolderRefused)
        assert "'Results'" in str(met.value)


@pytest.mark.parametrize("said", ["[ALREADYEXISTS] Mailbox already exists", "Mailbox already exists", "[CANNOT] no"])
@pytest.mark.parametrize(
    ("listed", "spelled"),
    [("Processed", "Processed"), ("PROCESSED", "PROCESSED"), ("Other", "Processed"), ("INBOX", "Processed")],
)
def test_a_folder_that_exists_needs_no_create(scripted: Scripted, said: str, listed: str, spelled: str) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ CREATE .*", f"{{tag}} NO {said}"),
        *answer(r"\w+ LIST .*", f'* LIST () "/" "{listed}"', "{tag} OK done"),
    )
    with closing(session):
        if "exists" in said or listed == "Processed":
            assert session.create("Processed") == spelled
        else:
            with pytest.raises(CommandRefused) as refused:
                session.create("Processed")
            assert refused.value.refusal is Refusal.LASTING


def test_the_name_of_a_new_folder_in_another_unicode_form_is_the_servers(scripted: Scripted) -> None:
    session = at_work(
        scripted,
        *answer(r"\w+ CREATE .*", "{tag} NO no"),
        *answer(r"\w+ LIST .*", '* LIST () "/" "Re&AwE-sultats"', "{tag} OK done"),
    )
    with closing(session):
        assert session.create("R\N{LATIN SMALL LETTER E WITH ACUTE}sultats") == "Re\N{COMBINING ACUTE ACCENT}sultats"


# -- LIST and NAMESPACE


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ('* LIST (\\HasNoChildren) "/" INBOX', FolderInfo("INBOX", frozenset({"\\hasnochildren"}))),
        ('* LIST (\\Noselect) "." "INBOX.A b"', FolderInfo("INBOX.A b", frozenset({"\\noselect"}), ".")),
        ("* LIST () NIL INBOX", FolderInfo("INBOX", frozenset(), None)),
        ('* LIST (\\Junk) "/" 2024', FolderInfo("2024", frozenset({"\\junk"}))),
        ('* LIST () "\\\\" "A"', FolderInfo("A", frozenset(), "\\")),
    ],
)
def test_a_folder_as_it_is_listed(scripted: Scripted, line: str, folder: FolderInfo) -> None:
    session = at_work(scripted, *answer(r"\w+ LIST .*", line, "{tag} OK done"))
    with closing(session):
        assert session.folders() == [folder]


@pytest.mark.parametrize(
    ("lines", "namespaces"),
    [
        (['* NAMESPACE (("" "/")) NIL NIL', "{tag} OK done"], [("", "/")]),
        (['* NAMESPACE (("INBOX." ".")) NIL (("shared." "."))', "{tag} OK done"], [("INBOX.", ".")]),
        (['* NAMESPACE (("INBOX." ".")("#mh/" "/")) NIL NIL', "{tag} OK done"], [("INBOX.", "."), ("#mh/", "/")]),
        (['* NAMESPACE (("" NIL)) NIL NIL', "{tag} OK done"], [("", "")]),
        (['* NAMESPACE (("" "/" "X-PARAM" ("FLAG1" "FLAG2"))) NIL NIL', "{tag} OK done"], [("", "/")]),
        (['* NAMESPACE (("Courrier re&AOc-u/" "/")) NIL NIL', "{tag} OK done"], [("Courrier reçu/", "/")]),
        (["* NAMESPACE NIL NIL NIL", "{tag} OK done"], []),
        (["{tag} OK done"], []),
        (["{tag} NO not today"], []),
    ],
)
def test_the_personal_namespaces(scripted: Scripted, lines: list[str], namespaces: list[tuple[str, str]]) -> None:
    session = at_work(scripted, *answer(r"\w+ NAMESPACE", *lines), capabilities="NAMESPACE")
    with closing(session):
        assert session.namespaces() == namespaces


def test_a_server_that_has_neither_is_asked_neither(scripted: Scripted) -> None:
    session = at_work(scripted)
    with closing(session):
        assert (session.namespaces(), session.junk_by_use()) == ([], [])


@pytest.mark.parametrize(
    ("lines", "junk"),
    [
        (['* LIST (\\Junk) "/" "Mist"', '* LIST (\\Sent) "/" Sent', "{tag} OK done"], ["Mist"]),
        (['* LIST (\\HasNoChildren \\JUNK) "/" "M&APw-ll" ("CHILDINFO" ("SUBSCRIBED"))', "{tag} OK done"], ["Müll"]),
        (['* LIST () "/" INBOX', "{tag} OK done"], []),
        (["{tag} OK done"], []),
        (["{tag} NO not today"], []),
    ],
)
def test_the_folders_that_are_marked_only_on_request(scripted: Scripted, lines: list[str], junk: list[str]) -> None:
    listed = answer(r'\w+ LIST "" "\*" RETURN \(SPECIAL-USE\)', *lines)
    session = at_work(scripted, *listed, capabilities="SPECIAL-USE LIST-EXTENDED")
    with closing(session):
        assert session.junk_by_use() == junk


def test_a_namespace_that_ends_the_connection_is_told(scripted: Scripted) -> None:
    session = at_work(scripted, *answer(r"\w+ NAMESPACE", "* BYE no"), capabilities="NAMESPACE")
    with pytest.raises(ConnectionLost):
        session.namespaces()
