"""Bringing a folder up to date that an earlier version made: its heads weren't sealed, and it had no witness."""

from worker.journal.audit_anchors import Anchor, Head
from worker.logs.log import get_logger
from worker.observe.audit.chain import Anchors
from worker.observe.audit.files import holds, last_head
from worker.observe.audit.lines import head_seal
from worker.observe.audit.trail_folder import TrailFolder
from worker.observe.audit.trail_witness import Seen
from worker.private_files import sync

log = get_logger()


def seal_heads(folder: TrailFolder, anchors: Anchors) -> None:
    """Seal the heads of all chains of this folder, begin its witness, and only then have the key ask for both.

    Call it under the folder's lock. It can be interrupted anywhere, and begins anew. While the journal doesn't answer,
    the folder stays as it is. A head that isn't in its chain stays unsealed, so that `verify` goes on finding it.

    Raises:
        OSError: the folder can't be read or written.
        ValueError: the key's file holds something else.
    """
    if not folder.keyed:
        folder.look_again()
    if folder.keyed:
        return
    try:
        kept = anchors.heads()
    except Exception:  # whatever the trouble with the journal is, the trail is written
        log.warning("audit.unanchored", chain="all", exc_info=True)
        return
    seen, sound = dict[str, Seen](), dict[str, Anchor]()
    for chain in sorted(filter(str.isascii, folder.chains())):  # others have names that aren't ours
        anchor = kept.get(chain)
        seen[chain] = _seen(folder, chain, anchor)
        if anchor is not None and not anchor.seal and seen[chain].anchored == anchor.head.count:
            sound[chain] = Anchor(anchor.head, head_seal(folder.key, chain, anchor.head))
    try:
        for chain, anchor in sound.items():
            anchors.store(chain, anchor)
    except Exception:
        log.warning("audit.unanchored", chain="all", exc_info=True)
        return
    folder.witness.write(seen)
    sync(folder.path)
    folder.mark_keyed()


def _seen(folder: TrailFolder, chain: str, kept: Anchor | None) -> Seen:
    """What the first witness says of a chain: its end, or the head that the journal knows of and the chain lacks."""
    files = folder.files(chain)[::-1]
    end = next((head for file in files if (head := last_head(file)) is not None), Head(0, ""))
    if kept is None or kept.head.count == 0:
        return Seen(end)
    if any(holds(file, kept.head) for file in files):
        return Seen(end, anchored=kept.head.count)
    return Seen(max(kept.head, end, key=lambda head: head.count))
