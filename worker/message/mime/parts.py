"""The parts of a message. The structure is read at once; a part is decoded when its bytes are needed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.parser import BytesParser
from typing import Protocol

from worker.message.lazy import lazy
from worker.message.mime.charsets import decode
from worker.message.mime.limits import Limits, MessageOverLimit, only_message_errors
from worker.message.mime.node import POLICY, Budget, Node
from worker.message.mime.plain_structure import plain_leaves
from worker.message.mime.skeleton import Skeleton, cut
from worker.message.mime.transfer_encoding import Hash, Span, decoded, digest, digest_of_decoded
from worker.message.mime.words import readable


class Body(Protocol):
    """The undecoded bytes of a part."""

    def spans(self) -> Sequence[Span]:
        """Return them in pieces, which aren't copied where that can be avoided."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A body that is one stretch of the message."""

    raw: bytes
    start: int
    end: int

    def spans(self) -> Sequence[Span]:
        return [memoryview(self.raw)[self.start : self.end]]


@dataclass(frozen=True, slots=True)
class _Payload:
    """A body as the parser found it in a skeleton."""

    skeleton: Skeleton
    node: Node

    def spans(self) -> Sequence[Span]:
        return self.skeleton.spans(self.node.source)


class Part:
    """A leaf of the message: a body, an attachment or an attached message."""

    def __init__(self, node: Node, body: Body) -> None:
        self.node = node
        self.content_type = node.content_type
        """The declared type in lower case, without parameters."""
        self.disposition = node.header("content-disposition").partition(";")[0].strip().lower()
        """`attachment`, `inline`, any other word that the sender chose, or empty."""
        self._body = body
        self._kept: bytes | None = None

    @lazy
    def filename(self) -> str | None:
        """The decoded file name that the sender gave, or None."""
        name = self.node.parameter("filename", "content-disposition")
        if name is None:
            name = self.node.parameter("name")
        return (readable(name) or None) if name is not None else None

    @lazy
    def content_id(self) -> str | None:
        """The id by which the message's HTML refers to it, without angle brackets, or None."""
        return readable(self.node.header("content-id")).strip("<> ") or None

    @property
    def encoded_size(self) -> int:
        """Bytes of the part as encoded on the wire."""
        return sum(len(span) for span in self._body.spans())

    @property
    def largest(self) -> int:
        """An upper bound on the part's decoded bytes."""
        size = self.encoded_size
        return size * 3 // 4 if self.node.encoding == "base64" else size

    def read(self) -> bytes:
        """Return the decoded bytes. Never raises: a part that isn't in its declared encoding is returned as sent."""
        return decoded(self._body.spans(), self.node.encoding) if self._kept is None else self._kept

    def keep(self) -> bytes:
        """As `read`, and keep the bytes: for an attachment, which keeps the same. They are decoded once then."""
        self._kept = self.read()
        return self._kept

    def hashed(self, new: Callable[[], Hash]) -> bytes:
        """Return the digest of the decoded bytes by a hash that `new` makes. A large part is decoded piece by piece."""
        if self._kept is not None:
            return digest(new(), [self._kept])
        return digest_of_decoded(self._body.spans(), self.node.encoding, new)

    def text(self) -> str:
        """Return the part's text, decoded by its declared charset."""
        return decode(self.read(), self.node.parameter("charset") or "")

    def ends(self, size: int) -> str:
        """Return the part's text; of one that is longer than two `size` bytes, its first and last `size` bytes."""
        data = self.read()
        if len(data) > 2 * size:
            data = data[:size] + b"\n" + data[-size:]
        return decode(data, self.node.parameter("charset") or "")


@only_message_errors
def parse(raw: bytes, limits: Limits) -> tuple[Part, ...]:
    """Return the leaves of a message in order: every part that isn't a container, once.

    Raises:
        MessageOverLimit: a limit is exceeded; raised as soon as that is known.
        MessageUnparsable: the parser failed.
    """
    if len(raw) > limits.message:
        raise MessageOverLimit("message")
    leaves = plain_leaves(raw, limits)
    if leaves is None:
        return parse_any(raw, limits)
    return tuple(Part(leaf.node, _Stretch(raw, leaf.start, leaf.end)) for leaf in leaves)


def parse_any(raw: bytes, limits: Limits) -> tuple[Part, ...]:
    """Return the leaves as the standard library's parser finds them, whatever the structure.

    Raises:
        MessageOverLimit: a limit is exceeded. Any other exception: the parser failed.
    """
    skeleton = cut(raw, limits)
    budget = Budget(limits)
    root = BytesParser(lambda: Node(budget), policy=POLICY).parsebytes(skeleton.text)
    assert isinstance(root, Node)  # noqa: S101 -- for the type checker: the factory makes only nodes
    return tuple(Part(node, _Payload(skeleton, node)) for node in _leaves(root))


def _leaves(root: Node) -> Iterator[Node]:
    """Yield every part that isn't a container, in order."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        children = node.children
        if children is None:
            yield node
        else:
            waiting.extend(reversed(children))
