"""Single facts that outlive the process."""

from worker.journal.database import Database
from worker.journal.facts import Facts, LastPoll, PauseNote


def test_facts(database: Database) -> None:
    facts = Facts(database)
    assert facts.last_poll() is None
    facts.polled(LastPoll(5.0, ok=True, new=3))
    facts.polled(LastPoll(6.5, ok=False, new=0))
    assert facts.last_poll() == LastPoll(6.5, ok=False, new=0)
    facts.pause("someone", 0.0)
    assert facts.paused() == "1970-01-01T00:00:00+00:00 by someone"
    facts.resume("some")
    facts.resume("so%")
    assert facts.paused() is not None, "that pause is another's"
    facts.resume("someone")
    assert facts.paused() is None
    facts.pause("someone", 0.0)
    facts.resume()
    facts.resume()
    assert facts.paused() is None
    facts.remember("note", "left by someone")
    facts.resume("someone")
    assert facts.recall("note") == "left by someone"


def test_a_pause_says_since_when_by_whom_and_why(database: Database) -> None:
    facts = Facts(database)
    assert facts.pause_note() is None
    facts.pause("ann@host", 60.0, "the archive's disk\nis \x1b[31mexchanged\udcff")
    assert facts.pause_note() == PauseNote(60.0, "ann@host", "the archive's disk is [31mexchanged?")
    facts.arrived(7, 120.0)
    facts.pause("bob@host", 180.0)
    assert facts.pause_note() == PauseNote(60.0, "bob@host", "", 7, 120.0), "the work has stood still since 60"
    facts.resume("ann@host")
    assert facts.pause_note() is not None
    facts.resume()
    facts.arrived(9, 200.0)
    assert facts.pause_note() is None
    facts.pause("cyd@host", 240.0)
    assert facts.pause_note() == PauseNote(240.0, "cyd@host"), "nothing is left of the earlier pause"


def test_a_pause_that_an_earlier_program_began_is_understood_as_far_as_it_goes(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("INSERT INTO fact VALUES ('paused', 'x')")
    assert Facts(database).pause_note() == PauseNote(None, "")
    Facts(database).resume()
    with database.write() as connection:
        connection.exec_driver_sql("INSERT INTO fact VALUES ('paused', '1970-01-01T00:01:00+00:00 by ann@host')")
    assert Facts(database).pause_note() == PauseNote(60.0, "ann@host")
