"""Evidence from the folder: the provider's own decision, which no sender can forge."""

from worker.classify.reading import Reading


def read(in_junk_folder: bool) -> list[Reading]:
    """Read the folder. Only the junk folder is evidence."""
    return [Reading("junk-folder", True, "it lies in the junk folder")] if in_junk_folder else []
