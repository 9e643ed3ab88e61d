"""Which folder is the junk folder, and which of those needed are missing."""

import pytest

from worker.mailbox.folders import (
    FolderInfo,
    Layout,
    NoJunkFolder,
    NoSuchFolder,
    find_junk,
    missing,
    require,
)


def info(*names: str, **flagged: str) -> list[FolderInfo]:
    return [FolderInfo(name, frozenset({flagged[name]} if name in flagged else ())) for name in (*names, *flagged)]


def test_the_junk_folder_by_attribute_then_name_then_setting() -> None:
    assert find_junk(info("INBOX", "Junk", Mist="\\junk"), "auto") == "Mist"
    assert find_junk(info("INBOX", "junk e-mail", "Spam"), "auto") == "junk e-mail"
    assert find_junk(info("INBOX", "Junk", "Elsewhere"), "Elsewhere") == "Elsewhere"
    with pytest.raises(NoJunkFolder, match="name it"):
        find_junk(info("INBOX"), "auto")
    with pytest.raises(NoJunkFolder, match="Nowhere"):
        find_junk(info("INBOX", "Junk"), "Nowhere")
    with pytest.raises(NoJunkFolder):
        find_junk(info("INBOX", Junk="\\noselect"), "auto")


def test_missing_folders_are_named_once() -> None:
    assert missing(info("Processed"), ["inbox", "Processed", "Failed", "Failed"]) == ["Failed"]
    require(info("INBOX", "Results"), ["INBOX", "Results"])
    with pytest.raises(NoSuchFolder, match="'Results'"):
        require(info("INBOX"), ["INBOX", "Results"])


def test_each_folder_is_watched_once() -> None:
    assert Layout(("INBOX", "Junk"), "Junk").watched == ["INBOX", "Junk"]
