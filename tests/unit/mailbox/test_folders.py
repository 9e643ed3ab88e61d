"""What the settings' folders are called in the mailbox, and which setting names one of them."""

from worker.mailbox.folders import Layout, Wanted, WantedFolders


def test_each_folder_is_watched_once() -> None:
    assert Layout(("INBOX", "Junk"), "Junk").watched == ["INBOX", "Junk"]


def test_a_folder_is_watched_under_the_name_that_it_has_in_the_mailbox() -> None:
    layout = Layout(("INBOX", "Results"), "INBOX.Junk")
    layout.found("Results", "INBOX.Results")
    assert layout.watched == ["INBOX", "INBOX.Results", "INBOX.Junk"]
    assert (layout.actual("Results"), layout.actual("Other")) == ("INBOX.Results", "Other")


def test_the_setting_that_names_a_folder_is_known_by_the_folders_own_name() -> None:
    wanted = WantedFolders(
        (Wanted("INBOX", "[poll] folders"),),
        Wanted("auto", "[junk] folder"),
        (Wanted("Processed", "[settle] handled"), Wanted("Junk", "[settle] junk")),
    )
    layout = Layout(("INBOX",), "Spam", settings=wanted.settings)
    layout.found("Processed", "INBOX.Processed")
    assert layout.setting_of("INBOX.Processed") == "[settle] handled"
    assert layout.setting_of("INBOX") == "[poll] folders"
    assert layout.setting_of("Spam") == "[junk] folder"
    assert layout.setting_of("Junk") == "[settle] junk"
    assert layout.setting_of("Elsewhere") is None
