"""`init` from the first question to the file: every way through it, wrong answers, what is left behind."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from tests.unit.commands.init.answering import Place, Scripted, client, scripted
from worker.commands.check import Checked, check
from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.commands.init import configure
from worker.commands.init.flows import BY_NAME, FLOWS
from worker.settings import AccountSettings

ADDRESS = "pathology.results@nhs.net"
WHO = [ADDRESS]
IDS = ["the-tenant", "the-client"]


def test_by_options_alone(place: Place) -> None:
    written = place.init(client(place))
    settings = place.settings()
    assert (settings.account.address, settings.account.auth) == (ADDRESS, "oauth2-client")
    assert settings.account.oauth.client_secret_file == place.secret
    assert settings.poll.since == datetime(2026, 11, 27, tzinfo=UTC)
    assert settings.handlers["archive"].options == {"url": (place.state / "archive").as_uri()}
    assert [(route.name, route.handlers) for route in settings.routes] == [("everything", ("archive",))]
    assert not written.finding
    assert written.lines[0].startswith(f"The configuration is sound: {ADDRESS} at outlook.office365.com:993")
    option = f" --config {place.file}"
    assert written.following == [
        f"nhsmail-worker check{option}",
        f"nhsmail-worker login doctor{option}",
        f"nhsmail-worker once --dry-run{option}",
        f"nhsmail-worker run{option}",
    ]
    assert stat.S_IMODE(place.file.stat().st_mode) == 0o644
    assert place.left() == {"worker.toml"}


def test_no_secret_is_in_it(place: Place) -> None:
    place.init(client(place))
    assert place.secret.read_text() not in place.file.read_text()


def paths(place: Place) -> dict[str, tuple[list[str], dict[str, object]]]:
    """What is answered, and what comes of it, for each flow."""
    secret, certificate, password = map(str, (place.secret, place.certificate, place.password))
    state, archive = str(place.state), str(place.folder / "archive")
    rest = ["", state, archive]
    return {
        "client, certificate": (["1", *IDS, certificate, *rest], {"certificate_file": certificate}),
        "client, secret": (
            ["oauth2-client", *IDS, "", secret, "2027-11-26", *rest],
            {"client_secret_file": secret, "secret_expires": "2027-11-26"},
        ),
        "browser, secret": (["2", *IDS, "", secret, "", "", *rest], {"client_secret_file": secret}),
        "browser, public": (["2", *IDS, "", "", "", "", "2026-11-01", *rest], {"changed": "2026-11-01"}),
        "browser, shared": (["2", *IDS, certificate, "worker@nhs.net", *rest], {"sign_in": "worker@nhs.net"}),
        "device": (["3", *IDS, "", "2", "", *rest], {"policy": "nhsmail-2019"}),
        "password by OAuth": (["4", *IDS, password, "", "2026-11-01", *rest], {"password_file": password}),
        "password": (["5", password, "off", "", "mail.example", "1993", "", *rest[1:]], {"port": "1993"}),
    }


WAYS = (
    *("client, certificate", "client, secret", "browser, secret", "browser, public", "browser, shared", "device"),
    *("password by OAuth", "password"),
)


@pytest.mark.parametrize("name", WAYS)
def test_every_way_through_the_questions(place: Place, name: str) -> None:
    answers, outcome = paths(place)[name]
    person = scripted(WHO, answers, "1")
    written = place.init({}, person)
    assert person.answers == [], "every answer was asked for"
    text = place.file.read_text()
    for key, value in outcome.items():
        assert any(line in text for line in (f'{key} = "{value}"\n', f"{key} = {value}\n"))
    assert place.settings().account.address == ADDRESS
    assert not written.finding, written.lines
    assert ("login authorise" in str(written.following)) == name.startswith(("browser", "device"))


def test_each_way_and_each_flow_is_among_them(place: Place) -> None:
    assert set(paths(place)) == set(WAYS)
    firsts = {answers[0] for answers, _ in paths(place).values()}
    named = {first if first in BY_NAME else FLOWS[int(first) - 1].name for first in firsts}
    assert named == set(BY_NAME) == set(get_args(AccountSettings.model_fields["auth"].annotation))


@pytest.mark.parametrize(
    ("answers", "means"),
    [
        ("1", "2026-11-27 00:00:00+00:00"),
        ("now", "2026-11-27 00:00:00+00:00"),
        (["2", "2026-01-31"], "2026-01-31 00:00:00+00:00"),
        ("2026-01-31", "2026-01-31 00:00:00+00:00"),
        (["2026-01-31T08:00:00Z", "2026-01-31"], "2026-01-31 00:00:00+00:00"),
        ("3", "None"),
        (["", "everything", "all"], "None"),
    ],
)
def test_since_when_mail_is_taken_has_no_default(place: Place, answers: str | list[str], means: str) -> None:
    options = client(place)
    del options["since"]
    person = scripted("", "", "", answers)
    place.init(options, person)
    assert person.answers == []
    assert str(place.settings().poll.since) == means


def test_wrong_answers_are_asked_again_and_told_what_is_wrong(place: Place) -> None:
    gone = str(place.folder / "gone")
    person = scripted(
        *("", "pathology", ADDRESS),
        *("6", "kerberos", "1"),
        *("", IDS[0], IDS[1]),
        *("", gone, str(place.state), str(place.secret)),
        *("tomorrow", "2027-11-26"),
        *("two words", "outlook.office365.com"),
        *(str(place.file.parent / "password"), str(place.state)),
        *("ftp://somewhere", ""),
        *("", "4", "yesterday", "2", "2026-02-30", "2", "2026-02-28"),
    )
    place.init({}, person)
    assert person.answers == []
    for words in (
        "An answer is needed here.",
        "must be the full address of the mailbox",
        "Please answer with a number from 1 to 5",
        f"{gone} can't be read",
        f"printf '%s' \"$secret\" | install -m 0400 /dev/stdin {gone}",
        "isn't a file",
        "Please write a date such as 2026-01-31.",
        "Please write now, all, or a date such as 2026-01-31.",
        "must be a bare host name",
        "is not a folder",
        "must be file:// and the absolute path of a folder",
    ):
        assert words in person.heard, words
    assert str(place.settings().poll.since) == "2026-02-28 00:00:00+00:00"


def test_an_option_that_is_wrong_is_asked_for_on_a_terminal(place: Place) -> None:
    options = client(place, address="nobody", since="never")
    person = scripted(ADDRESS, "", "", "", str(place.folder / "archive"), "now")
    place.init(options, person)
    assert "must be the full address" in person.heard
    assert "Please write now, all, or a date" in person.heard


def test_what_was_given_isnt_asked_for(place: Place) -> None:
    options = {
        **client(place),
        "secret_expires": "2027-11-26",
        "host": "outlook.office365.com",
        "archive": str(place.folder / "state" / "a"),
    }
    person = scripted()
    place.init(options, person)
    assert person.prompts == []


@pytest.mark.parametrize("answered", range(10))
def test_broken_off_at_any_question_nothing_is_written(place: Place, answered: int) -> None:
    answers = [*WHO, "1", *IDS, "", str(place.secret), "", "", str(place.state), str(place.folder / "archive"), "1"]
    person = scripted(answers[:answered])
    with pytest.raises(Failure, match=r"^Stopped\. Nothing was written\.$") as stopped:
        place.init({}, person)
    assert stopped.value.code == ExitCode.NOT_NOW
    assert place.left() == set()


def test_without_a_terminal_all_that_is_missing_is_named(place: Place) -> None:
    with pytest.raises(Failure) as missing:
        place.init({"address": ADDRESS, "auth": "oauth2-client", "tenant": "t"})
    assert missing.value.code == ExitCode.USAGE
    assert "Missing: --client-id, --client-secret-file, --since." in str(missing.value)
    assert place.left() == set()


def test_without_a_terminal_all_mail_is_never_assumed(place: Place) -> None:
    options = client(place)
    del options["since"]
    with pytest.raises(Failure, match="Missing: --since"):
        place.init(options)
    place.init({**options, "since": "all"})
    assert place.settings().poll.since is None
    assert "since" in place.settings().poll.model_fields_set


def test_without_a_terminal_faults_are_told_as_check_tells_them(place: Place) -> None:
    options = {**client(place), "client_secret_file": str(place.folder / "gone"), "host": "two words"}
    with pytest.raises(Failure) as faulty:
        place.init(options)
    assert faulty.value.code == ExitCode.CONFIGURATION
    text = str(faulty.value)
    for words in ("The configuration has 2 faults", "[account] host: ", "read -rs secret", "Nothing was written."):
        assert words in text
    assert place.left() == set()


@pytest.mark.parametrize("person", [None, scripted(["", "", "", "", "now"])])
def test_an_option_of_another_flow_is_refused(place: Place, person: Scripted | None) -> None:
    options = {**client(place), "sign_in": "worker@nhs.net", "password_file": str(place.password)}
    with pytest.raises(Failure, match="--sign-in, --password-file can't be used") as useless:
        place.init(options, person)
    assert useless.value.code == ExitCode.USAGE


def test_a_file_that_is_there_is_left_alone_and_nobody_is_asked(place: Place) -> None:
    place.file.write_text("mine")
    person = scripted()
    with pytest.raises(Failure, match="wasn't changed") as taken:
        place.init({}, person)
    assert taken.value.code == ExitCode.USAGE
    assert (person.prompts, place.file.read_text()) == ([], "mine")
    place.init(client(place), replace=True)
    assert place.settings().account.address == ADDRESS


def test_a_file_that_appears_meanwhile_is_left_alone(place: Place) -> None:
    class Hasty:
        def tell(self, text: str) -> None: ...

        def ask(self, prompt: str) -> str:
            place.file.write_text("another's")
            return "now" if prompt.startswith("now") else ""

    options = client(place)
    del options["since"]
    with pytest.raises(Failure, match="wasn't changed"):
        place.init(options, Hasty())
    assert (place.file.read_text(), place.left()) == ("another's", {"worker.toml"})


def test_a_link_is_written_through(place: Place) -> None:
    real = place.folder / "state" / "real.toml"
    real.write_text("old")
    place.file.symlink_to(real)
    place.init(client(place), replace=True)
    assert place.file.is_symlink()
    assert "oauth2-client" in real.read_text()


def test_a_folder_that_isnt_there_is_told_before_any_question(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "file", property(lambda own: own.folder / "away" / "worker.toml"))
    person = scripted()
    with pytest.raises(Failure, match=r"can't be written \(No such file or directory\)") as failed:
        place.init({}, person)
    assert (failed.value.code, person.prompts) == (ExitCode.CONFIGURATION, [])


@pytest.mark.parametrize("name", ["fsync", "fchmod"])
def test_a_disk_that_fills_up_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    def then_full(context: Context) -> Checked:
        checked = check(context)
        monkeypatch.setattr(os, name, full)
        return checked

    monkeypatch.setattr(configure, "check", then_full)
    with pytest.raises(Failure, match="No space left on device") as failed:
        place.init(client(place))
    assert failed.value.code == ExitCode.CONFIGURATION
    assert place.left() == set()


def test_what_check_advises_against_is_written_only_if_that_is_wanted(place: Place) -> None:
    exchange = {"address": ADDRESS, "auth": "password", "password_file": str(place.password)}
    options = {**exchange, "state_dir": str(place.state), "since": "now", "password_policy": "off"}
    written = place.init(options)
    assert written.finding
    assert any("takes no passwords" in line or "allow_password" in line for line in written.lines)
    place.file.unlink()
    for answer, there in (("", set()), ("n", set()), ("perhaps", set()), ("y", {"worker.toml"})):
        person = scripted("", "", str(place.folder / "state" / "archive"), answer)
        if there:
            assert place.init(options, person).finding
        else:
            with pytest.raises(Failure, match="Nothing was written"):
                place.init(options, person)
        assert place.left() == there


def test_a_fault_that_no_answer_mends_ends_it(place: Place) -> None:
    place.environ["NHSMAIL_POLL__EVERY"] = "soon"
    person = scripted("", "", "")
    with pytest.raises(Failure, match=r"\[poll\] every"):
        place.init(client(place), person)
    assert place.left() == set()


@pytest.mark.parametrize(("looks", "answers"), [(None, ["", "now"]), (True, ["now"]), (None, ["maybe", "y", "now"])])
def test_where_no_sign_in_is_possible_it_says_why_and_asks_all_the_same(
    place: Place, looks: bool | None, answers: list[str]
) -> None:
    options = {
        "address": ADDRESS,
        "auth": "oauth2-browser",
        "tenant": "t",
        "client_id": "c",
        "host": "127.0.0.1",
        "port": "9",
        "certificate_file": str(place.certificate),
        "state_dir": str(place.state),
        "archive": str(place.folder / "state" / "a"),
    }
    person = scripted("", "", answers)
    place.init(options, person, looks=looks)
    assert person.answers == []
    assert "The worker couldn't look at the mailbox." in person.heard
    assert place.settings().poll.since is not None


def test_a_path_with_a_blank_is_quoted_in_what_is_to_be_typed(tmp_path: Path) -> None:
    folder = tmp_path / "the first day"
    folder.mkdir()
    place = Place(folder)
    written = place.init(client(place))
    assert written.following[0] == f"nhsmail-worker check --config '{place.file}'"
