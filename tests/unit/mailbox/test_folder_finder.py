"""The folders of the settings are found on every kind of server, and nothing is asked that the list tells."""

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.folder_server import FolderServer
from worker.mailbox.errors import ProtocolFault
from worker.mailbox.folder_finder import FolderFinder, Found
from worker.mailbox.folder_refusals import Refusal
from worker.mailbox.folders import (
    CannotCreate,
    FolderProblem,
    JunkBy,
    Layout,
    NoJunkFolder,
    NoSuchFolder,
    SameFolder,
    Wanted,
    WantedFolders,
)

HANDLED = Wanted("Processed", "[settle] handled", is_default=True)
FAILED = Wanted("Failed", "[settle] failed", is_default=True)
NOSELECT = frozenset({"\\noselect"})


def chosen(name: str) -> Wanted:
    return Wanted(name, "[settle] handled")


class Worker:
    """What a worker with these settings makes of a server."""

    def __init__(self, *watched: str, junk: str = "auto", targets: tuple[Wanted, ...] = (HANDLED, FAILED)) -> None:
        self.wanted = WantedFolders(
            tuple(Wanted(name, "[poll] folders") for name in watched or ("INBOX",)),
            Wanted(junk, "[junk] folder"),
            targets,
        )
        self.layout = Layout(tuple(one.name for one in self.wanted.watched), settings=self.wanted.settings)
        self._finder = FolderFinder(self.layout, self.wanted)

    def find(self, server: Any) -> Found:
        return self._finder.find(server, server.folders())

    def settle_in(self, server: Any) -> None:
        self._finder.create(server, self.find(server).absent)

    def junk(self, server: Any) -> str:
        self.find(server)
        return self.layout.junk


# -- the junk folder


@pytest.mark.parametrize(
    ("server", "junk"),
    [
        (FolderServer.of("Junk", "Mist"), "Junk"),
        (FolderServer({"INBOX": frozenset(), "Junk": frozenset(), "Mist": frozenset({"\\junk"})}), "Mist"),
        (FolderServer({"INBOX": frozenset(), "Spam": frozenset(), "Junk": NOSELECT}), "Spam"),
        (FolderServer.of("junk e-mail", "Spam"), "junk e-mail"),
        (FolderServer.of("Spam", "Mist", by_use=("Mist",)), "Mist"),
        (FolderServer.of("Spam", by_use=("Gone",)), "Spam"),
        (FolderServer.of("INBOX.Junk", prefix="INBOX.", delimiter="."), "INBOX.Junk"),
        (FolderServer.of("INBOX.spam", "INBOX.Work", prefix="INBOX.", delimiter=".", says=False), "INBOX.spam"),
        (FolderServer.of("INBOX/Junk E-mail", prefix="INBOX/"), "INBOX/Junk E-mail"),
        (FolderServer.of("Mail|Junk", prefix="Mail|", delimiter="|"), "Mail|Junk"),
    ],
)
def test_the_junk_folder_by_attribute_then_by_name_then_below_the_prefix(server: FolderServer, junk: str) -> None:
    assert Worker().junk(server) == junk


@pytest.mark.parametrize(
    ("server", "setting", "by"),
    [
        (FolderServer({"INBOX": frozenset(), "Spam": frozenset({"\\junk"})}), "auto", JunkBy.ATTRIBUTE),
        (FolderServer.of("Spam", "Mist", by_use=("Mist",)), "auto", JunkBy.ATTRIBUTE),
        (FolderServer.of("Spam", "Mist"), "auto", JunkBy.NAME),
        (FolderServer({"INBOX": frozenset(), "Spam": frozenset({"\\junk"})}), "Spam", JunkBy.SETTING),
    ],
)
def test_it_says_how_the_junk_folder_was_found(server: FolderServer, setting: str, by: JunkBy) -> None:
    assert Worker(junk=setting).find(server).junk_by is by


def test_the_junk_folder_that_the_setting_names() -> None:
    server = FolderServer.of("Junk", "INBOX.Mist", prefix="INBOX.", delimiter=".")
    assert Worker(junk="Junk").junk(server) == "Junk"
    assert Worker(junk="Mist").junk(server) == "INBOX.Mist"
    with pytest.raises(NoJunkFolder, match=r"no folder 'Nowhere': correct \[junk\] folder") as refused:
        Worker(junk="Nowhere").junk(server)
    assert set(refused.value.there) == {"INBOX", "Junk", "INBOX.Mist"}


def test_a_persons_folder_below_the_inbox_is_not_the_junk_folder_where_names_stand_for_themselves() -> None:
    for server in (FolderServer.of("INBOX/Junk"), FolderServer.of("INBOX/Junk", "Archive", says=False)):
        with pytest.raises(NoJunkFolder, match=r"name it in \[junk\] folder") as refused:
            Worker().junk(server)
        assert refused.value.there[0] == "INBOX/Junk"


# -- watched folders


@pytest.mark.parametrize("flag", ["\\noselect", "\\nonexistent"])
def test_a_folder_that_holds_no_mail_is_not_watched_in_silence(flag: str) -> None:
    server = FolderServer({"INBOX": frozenset(), "Junk": frozenset(), "Results": frozenset({flag})})
    with pytest.raises(
        NoSuchFolder, match=r"No mail can be in 'Results', only other folders: correct \[poll\] folders"
    ):
        Worker("INBOX", "Results").find(server)
    Worker("INBOX").find(server)


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    server = FolderServer.of("Junk", "Work", "Lab results")
    with pytest.raises(NoSuchFolder, match=r"no folder 'Results', 'Other': correct \[poll\] folders") as refused:
        Worker("INBOX", "Results", "Other").find(server)
    assert refused.value.there[0] == "Lab results"
    assert set(refused.value.there) == {"INBOX", "Junk", "Work", "Lab results"}


def test_letters_count_only_where_the_server_says_so() -> None:
    for caseless in (True, False):
        server = FolderServer.of("Junk", "Lab Results", caseless=caseless)
        worker = Worker("inbox", "lab results")
        if caseless:
            worker.find(server)
            assert worker.layout.watched == ["INBOX", "Lab Results", "Junk"]
        else:
            with pytest.raises(NoSuchFolder, match="'lab results'"):
                worker.find(server)


def test_of_several_that_differ_in_letters_none_is_guessed() -> None:
    with pytest.raises(NoSuchFolder):
        Worker("results").find(FolderServer.of("Junk", "Results", "RESULTS", caseless=True))


# -- folders that mail is moved to


def test_default_names_go_below_the_prefix_and_chosen_ones_are_taken_as_written() -> None:
    server = FolderServer.of("INBOX.Junk", "INBOX.Done", prefix="INBOX.", delimiter=".")
    worker = Worker(targets=(HANDLED, Wanted("Done", "[settle] failed")))
    worker.settle_in(server)
    assert worker.layout.actual("Processed") == "INBOX.Processed"
    assert worker.layout.actual("Done") == "INBOX.Done"
    assert [line for line in server.asked if line.startswith("CREATE")] == ["CREATE INBOX.Processed"]
    with pytest.raises(CannotCreate, match=r"'Work'.*\[settle\] handled.*write 'INBOX\.Work'"):
        Worker(targets=(chosen("Work"),)).settle_in(server)
    Worker(targets=(chosen("INBOX.Work"),)).settle_in(server)
    assert "INBOX.Work" in server.names


@pytest.mark.parametrize(
    ("personal", "created"),
    [
        ([("INBOX.", ".")], "INBOX.Processed"),
        ([("INBOX", ".")], "INBOX.Processed"),
        ([("", "/")], "Processed"),
        ([("", "/"), ("Archive/", "/")], "Processed"),
        ([("INBOX.", "."), ("Archive.", ".")], "INBOX.Processed"),
        ([("#mh/", "/"), ("", "/")], "Processed"),
        ([("Mail", "")], "MailProcessed"),
        ([], "INBOX.Processed"),
    ],
)
def test_the_prefix_of_a_new_folder(personal: list[tuple[str, str]], created: str) -> None:
    class Told(FolderServer):
        def namespaces(self) -> list[tuple[str, str]]:
            return personal

    server = Told({"INBOX": frozenset(), "INBOX.Junk": frozenset({"\\junk"})}, delimiter=".")
    Worker(targets=(HANDLED,)).settle_in(server)
    assert created in server.names


def test_a_folder_that_only_has_others_below_it_is_created_or_named() -> None:
    server = FolderServer({"INBOX": frozenset(), "Junk": frozenset(), "Processed": NOSELECT})
    worker = Worker(targets=(HANDLED,))
    assert [one.name for one in worker.find(server).absent] == ["Processed"]
    worker.settle_in(server)
    assert not server.names["Processed"]
    server = FolderServer({"INBOX": frozenset(), "Junk": frozenset(), "Processed": NOSELECT}, fails=Refusal.LASTING)
    with pytest.raises(CannotCreate, match="name an existing folder"):
        worker.settle_in(server)


def test_a_name_that_the_server_does_not_understand_is_a_setting_to_correct() -> None:
    class Strict(FolderServer):
        def __init__(self, *, by_server: bool) -> None:
            super().__init__(FolderServer.of("Junk").names)
            self._by_server = by_server

        def create(self, folder: str) -> str:
            raise ProtocolFault("the mail server said: bad", by_server=self._by_server)

    with pytest.raises(CannotCreate, match=r"\[settle\] handled"):
        Worker(targets=(HANDLED,)).settle_in(Strict(by_server=True))
    with pytest.raises(ProtocolFault):
        Worker(targets=(HANDLED,)).settle_in(Strict(by_server=False))


def test_two_settings_that_are_one_folder_on_this_server_are_refused() -> None:
    server = FolderServer.of("INBOX.Junk", "INBOX.Results", prefix="INBOX.", delimiter=".")
    with pytest.raises(SameFolder, match=r"\[poll\] folders \('Results'\) and \[settle\] handled \('INBOX\.Results'\)"):
        Worker("INBOX", "Results", targets=(chosen("INBOX.Results"),)).find(server)
    with pytest.raises(SameFolder, match="one folder on this server"):
        Worker(junk="Junk", targets=(chosen("INBOX.Junk"),)).find(server)
    junk = Wanted("INBOX.Junk", "[settle] junk", may_be_junk=True)
    Worker(junk="Junk", targets=(junk,)).find(server)


@pytest.mark.parametrize("setting", ["[settle] handled", "[settle] failed"])
@pytest.mark.parametrize(
    ("server", "name"),
    [
        (FolderServer.of("Spam"), "Spam"),
        (FolderServer({"INBOX": frozenset(), "Mist": frozenset({"\\junk"})}), "Mist"),
        (FolderServer.of("Mist", by_use=("Mist",)), "Mist"),
        (FolderServer.of("INBOX.Spam", prefix="INBOX.", delimiter="."), "Spam"),
        (FolderServer.of("Spam", caseless=True), "spam"),
    ],
)
def test_no_mail_is_moved_to_the_junk_folder_that_was_found_but_junk(
    server: FolderServer, name: str, setting: str
) -> None:
    what = rf"{re.escape(setting)} \('{name}'\) is the junk folder of this mailbox"
    with pytest.raises(SameFolder, match=rf"{what}, .*: name another folder, or name .* in \[junk\] folder\.$"):
        Worker(targets=(Wanted(name, setting),)).find(server)
    Worker(targets=(Wanted(name, "[settle] junk", may_be_junk=True),)).find(server)


def test_a_watched_folder_may_be_the_junk_folder_that_was_found() -> None:
    worker = Worker("INBOX", "Spam")
    worker.find(FolderServer.of("Spam"))
    assert worker.layout.watched == ["INBOX", "Spam"]
    assert worker.layout.junk == "Spam"


# -- every kind of server

BASES = ["Results", "Résultats", "Ergebnisse", "Laborbefunde Ä", "Processed", "Failed", "Work/2024"]
FORMS = [
    str,
    str.lower,
    str.upper,
    lambda name: unicodedata.normalize("NFD", name),
    lambda name: unicodedata.normalize("NFD", name.lower()),
]
spelled = st.builds(lambda name, form: form(name), st.sampled_from(BASES), st.sampled_from(FORMS))


@st.composite
def servers(draw: st.DrawFn) -> FolderServer:
    delimiter = draw(st.sampled_from(["/", ".", "|", ""]))
    prefix = draw(st.sampled_from(["", f"INBOX{delimiter}", f"Mail{delimiter}"])) if delimiter else ""
    server = FolderServer.of(
        prefix=prefix,
        delimiter=delimiter,
        caseless=draw(st.booleans()),
        composed=draw(st.booleans()),
        says=bool(prefix.startswith("Mail")) or draw(st.booleans()),
    )
    # a server that doesn't say where names go shows it
    places = st.sampled_from(["", prefix] if server.says else [prefix])
    names = draw(st.lists(st.tuples(spelled, places), max_size=5))
    for name, before in [(draw(st.sampled_from(["Junk", "junk", "Spam", "Junk E-mail"])), prefix), *names]:
        if server.known(before + name) is None:
            server.names[before + name] = frozenset()
    return server


def meant(server: FolderServer, name: str) -> str | None:
    """The folder that a person means: as the server understands the name, or as it looks, or below the prefix."""
    before = [""] if not server.prefix else ["", server.prefix]
    for prefix in before:
        looks = unicodedata.normalize("NFC", prefix + name)
        exact = [own for own in server.names if own == prefix + name]
        alike = [own for own in server.names if unicodedata.normalize("NFC", own) == looks]
        if exact or alike:
            return (exact or alike)[0]
    for prefix in before:
        looks = unicodedata.normalize("NFC", prefix + name).casefold()
        alike = [own for own in server.names if unicodedata.normalize("NFC", own).casefold() == looks]
        if len(alike) == 1 and server.known(prefix + name) is not None:
            return alike[0]
    return None


@settings(max_examples=300, deadline=None)
@given(servers(), st.lists(spelled, max_size=2, unique_by=str.casefold), spelled)
def test_what_a_person_means_is_found_on_every_server_and_created_on_none(
    server: FolderServer, watched: list[str], target: str
) -> None:
    worker = Worker("INBOX", *watched, targets=(FAILED, chosen(target)))
    there = set(server.names)
    expected = {name: meant(server, name) for name in (*watched, FAILED.name, target)}
    if any(expected[name] is None for name in watched):
        with pytest.raises(NoSuchFolder) as nowhere:
            worker.find(server)
        assert set(nowhere.value.there) == there
        return
    try:
        absent = worker.find(server).absent
    except SameFolder:
        found = [name for name in (*watched, target, FAILED.name) if expected[name] is not None]
        assert len({expected[name] for name in found}) < len(found) or target.casefold() == FAILED.name.casefold()
        return
    assert worker.layout.watched == ["INBOX", *(expected[name] for name in watched), worker.layout.junk]
    assert {one.wanted.name for one in absent} == {name for name in (FAILED.name, target) if expected[name] is None}
    if expected[target] is None and not target.startswith(server.prefix):
        with pytest.raises(CannotCreate, match=re.escape(f"write '{server.prefix}{target}'")):
            worker.settle_in(server)
        return
    worker.settle_in(server)
    for name in (FAILED.name, target):
        assert worker.layout.actual(name) in server.names
        if expected[name] is not None:
            assert worker.layout.actual(name) == expected[name]
    assert len(server.names) - len(there) <= len(absent)


@settings(max_examples=100, deadline=None)
@given(servers())
def test_nothing_is_asked_where_the_list_tells_all(server: FolderServer) -> None:
    server.names |= {name: frozenset() for name in ("Processed", "Failed")}
    server.names["Mist"] = frozenset({"\\junk"})
    server.caseless = False
    worker = Worker("INBOX")
    worker.settle_in(server)
    assert server.asked == []
    assert worker.layout.watched == ["INBOX", "Mist"]


def test_every_problem_is_one_that_a_setting_ends() -> None:
    assert all(issubclass(one, FolderProblem) for one in (NoJunkFolder, NoSuchFolder, SameFolder, CannotCreate))
