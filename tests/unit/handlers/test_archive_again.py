"""`archive` with messages that are handled again: a complete folder beside the first, and nothing is overwritten."""

import json
from pathlib import Path

from handlers.archive import Archive
from tests.unit.handlers.redeliveries import KEY, files, message
from worker import KeyTaken
from worker.testing import Runner


def test_archive_writes_a_complete_folder_beside_the_first(tmp_path: Path) -> None:
    with Runner(Archive, {"url": tmp_path.as_uri()}) as runner:
        assert runner.deliver(message(0)).done
        first = files(tmp_path)
        assert runner.handle_again(message(0)).done
        assert runner.deliver(message(2)).done
        found = files(tmp_path)
        names = ("attachments/report.pdf", "message.eml", "message.json")
        assert set(found) == {f"{KEY}{end}/{name}" for end in ("", ".1", ".2") for name in names}
        assert {name: found[name] for name in first} == first
        told = [json.loads(found[f"{KEY}{end}/message.json"]) for end in ("", ".1", ".2")]
        assert [(one["key"], one["redelivery"]) for one in told] == [(KEY, 0), (KEY, 1), (KEY, 2)]
        assert runner.crash(message(2)).done
        assert runner.redeliver(message(2)).done
        assert files(tmp_path) == found


def test_archive_overwrites_no_other_content_that_lies_there(tmp_path: Path) -> None:
    with Runner(Archive, {"url": tmp_path.as_uri()}, show_errors=False) as runner:
        assert runner.deliver(message(1)).done
        before = files(tmp_path)
        assert isinstance(runner.deliver(message(1, attachment=b"%PDF-1.8")).error, KeyTaken)
        assert files(tmp_path) == before
