"""Evidence from where a message lies: the provider's own decision, and the one that no sender can write."""

from worker.classify.reading import Reading


def read(in_junk_folder: bool) -> list[Reading]:
    """What the folder says: something only where it is the junk folder."""
    return [Reading("junk-folder", True, "it lies in the junk folder")] if in_junk_folder else []
