"""The parts of a message. The standard library parses the structure; a part is decoded when its bytes are needed."""

import binascii
import quopri
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from email.message import Message as StandardMessage
from email.parser import BytesParser
from email.policy import Compat32
from typing import Protocol

from worker.message.lazy import lazy
from worker.message.mime.charsets import decode
from worker.message.mime.limits import Limits, MessageOverLimit, only_message_errors
from worker.message.mime.skeleton import Skeleton, cut
from worker.message.mime.words import clean, readable, well_formed

_ENCODING = re.compile(r'\s*"?([a-z0-9-]+)"?\s*(?:[;(].*)?', re.DOTALL)
_NO_BASE64 = bytes(sorted(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")))
_PADDING = re.compile(rb"=[^A-Za-z0-9+/]*+")
_MORE_BASE64 = re.compile(rb"=*((?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)")
_UUENCODE = frozenset({"x-uuencode", "uuencode", "uue", "x-uue"})
_ENCODED = frozenset({"quoted-printable", *_UUENCODE})
_CHUNK = 1 << 20  # bytes decoded at a time, so that memory never holds two encoded copies of a large part


class Hash(Protocol):
    """A hash of `hashlib`."""

    def update(self, data: bytes | memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class _Budget:
    """Counts the parts and header bytes of one message against its limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._parts = 0
        self._header_bytes = 0
        self._header_fields = 0

    def part(self) -> None:
        self._parts += 1
        if self._parts > self.limits.parts:
            raise MessageOverLimit("parts")

    def header(self, name: str, value: str) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > self.limits.header_bytes:
            raise MessageOverLimit("header_bytes")
        self._header_fields += 1
        if self._header_fields > self.limits.header_fields:
            raise MessageOverLimit("header_fields")
        # The standard library takes quadratic time to parse parameters.
        if value.count(";") > self.limits.header_parameters and name.lower().startswith("content-"):
            raise MessageOverLimit("header_parameters")


class _AsSent(Compat32):
    """Returns headers as sent, where the standard library might return an object."""

    def header_fetch_parse(self, name: str, value: str) -> str:  # noqa: ARG002 -- the policy's signature
        return value


_POLICY = _AsSent()


class Node(StandardMessage):
    """A part as built by the feed parser. It counts itself, and hides attached messages from the parser.

    An attached message is a leaf of this message, with its bytes as sent. It is parsed once somebody opens it.
    `content_type`, `header` and `parameter` return well-formed text; what the standard library's methods return may
    contain lone surrogates.
    """

    _payload: object  # written by the parser; no public method returns it undecoded

    def __init__(self, budget: _Budget) -> None:
        super().__init__(_POLICY)
        self.depth = 0
        self._budget = budget
        self._budget.part()

    def attach(self, payload: object) -> None:
        assert isinstance(payload, Node)  # noqa: S101 -- for the type checker: the parser attaches only what the factory made
        payload.depth = self.depth + 1
        if payload.depth > self._budget.limits.depth:
            raise MessageOverLimit("depth")
        super().attach(payload)

    def set_raw(self, name: str, value: str) -> None:
        self._budget.header(name, value)
        super().set_raw(name, value)

    def get_content_type(self) -> str:
        declared = super().get_content_type()
        return "application/octet-stream" if declared.startswith("message/") else declared

    def get_content_maintype(self) -> str:
        return self.get_content_type().partition("/")[0]

    def get_boundary(self, failobj: object = None) -> object:  # type: ignore[override]
        boundary = self._parameter("boundary", "content-type")  # with its bytes as in the lines that it is sought in
        return failobj if boundary is None else boundary.rstrip()  # RFC 2046: a boundary doesn't end in white space

    @property
    def content_type(self) -> str:
        """The declared content type in lower case, without parameters; text/plain if it is invalid."""
        return " ".join(clean(well_formed(super().get_content_type())).split())

    def header(self, name: str) -> str:
        """Return the first value of a header, folded and encoded as sent; empty if there is none."""
        return well_formed(str(self.get(name, "")))

    def parameter(self, name: str, header: str = "content-type") -> str | None:
        """Return a header's parameter with RFC 2231 and raw bytes decoded; None if it is missing or unreadable."""
        value = self._parameter(name, header)
        return None if value is None else well_formed(value)

    def _parameter(self, name: str, header: str) -> str | None:
        """Return a header's parameter with RFC 2231 decoded, and raw bytes kept as surrogates."""
        try:
            value = self.get_param(name, None, header)
        except (ValueError, TypeError):  # continuations with no number, or a huge one
            return None
        if not isinstance(value, tuple):
            return value
        charset, _, text = value  # RFC 2231: the text has one character for each byte
        return decode(text.encode("latin-1", "surrogateescape"), charset or "")

    @property
    def children(self) -> "list[Node] | None":
        """The parts within this part; None for a leaf."""
        if not isinstance(self._payload, list):
            return None
        return [child for child in self._payload if isinstance(child, Node)]

    @property
    def source(self) -> str:
        """The undecoded payload."""
        return self._payload if isinstance(self._payload, str) else ""

    @property
    def encoding(self) -> str:
        """The content transfer encoding in lower case; empty if it is invalid."""
        match = _ENCODING.fullmatch(self.header("content-transfer-encoding").lower())
        return match[1] if match else ""


class Part:
    """A leaf of the message: a body, an attachment or an attached message."""

    def __init__(self, node: Node, skeleton: Skeleton) -> None:
        self.node = node
        self.content_type = node.content_type
        """The declared type in lower case, without parameters."""
        self.disposition = node.header("content-disposition").partition(";")[0].strip().lower()
        """`attachment`, `inline`, any other word that the sender chose, or empty."""
        self._skeleton = skeleton

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
        return sum(len(span) for span in self._spans())

    @property
    def largest(self) -> int:
        """An upper bound on the part's decoded bytes."""
        size = self.encoded_size
        return size * 3 // 4 if self.node.encoding == "base64" else size

    def read(self) -> bytes:
        """Return the decoded bytes. Never raises: a part that isn't in its declared encoding is returned as sent."""
        encoding = self.node.encoding
        if encoding == "base64":
            return _base64(self._spans())
        data = b"".join(self._spans())
        if encoding == "quoted-printable":
            return quopri.decodestring(data)
        if encoding in _UUENCODE:
            return _by_standard_library(encoding, data)
        return data

    def hashed(self, new: Callable[[], Hash]) -> bytes:
        """Return the digest of the decoded bytes by a hash that `new` makes. A large part is decoded piece by piece."""
        if self.node.encoding == "base64":
            try:
                return _digest(new(), _strict_base64(self._spans()))
            except binascii.Error:
                return _digest(new(), [self.read()])
        if self.node.encoding in _ENCODED:
            return _digest(new(), [self.read()])
        return _digest(new(), self._spans())

    def text(self) -> str:
        """Return the part's text, decoded by its declared charset."""
        return decode(self.read(), self.node.parameter("charset") or "")

    def ends(self, size: int) -> str:
        """Return the part's text; of one that is longer than two `size` bytes, its first and last `size` bytes."""
        data = self.read()
        if len(data) > 2 * size:
            data = data[:size] + b"\n" + data[-size:]
        return decode(data, self.node.parameter("charset") or "")

    def _spans(self) -> list[bytes | memoryview]:
        return self._skeleton.spans(self.node.source)


@only_message_errors
def parse(raw: bytes, limits: Limits) -> tuple[Part, ...]:
    """Return the leaves of a message in order: every part that isn't a container, once.

    Raises:
        MessageOverLimit: a limit is exceeded; raised as soon as that is known.
        MessageUnparsable: the parser failed.
    """
    if len(raw) > limits.message:
        raise MessageOverLimit("message")
    skeleton = cut(raw, limits)
    budget = _Budget(limits)
    root = BytesParser(lambda: Node(budget), policy=_POLICY).parsebytes(skeleton.text)
    assert isinstance(root, Node)  # noqa: S101 -- for the type checker: the factory makes only nodes
    return tuple(Part(node, skeleton) for node in _leaves(root))


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


def _base64(spans: Sequence[bytes | memoryview]) -> bytes:
    """Decode base64; if it is broken, decode as much of it as possible."""
    try:
        return b"".join(_strict_base64(spans))
    except binascii.Error:
        return _broken_base64(b"".join(spans))


def _strict_base64(spans: Sequence[bytes | memoryview]) -> Iterator[bytes]:
    rest, ended = b"", False
    for chunk in (span[at : at + _CHUNK] for span in spans for at in range(0, len(span), _CHUNK)):
        piece = rest + bytes(chunk).translate(None, b"\r\n")
        if ended and piece:
            raise binascii.Error
        whole = len(piece) & ~3
        rest = piece[whole:]
        if whole:
            ended = piece[whole - 1 : whole] == b"="
            yield binascii.a2b_base64(piece[:whole], strict_mode=True)
    if rest:
        raise binascii.Error


def _broken_base64(data: bytes) -> bytes:
    """Decode broken base64: all valid characters up to the first padding, and any whole base64 after it.

    Some programs encode piece by piece, which puts padding in the middle. Depending on its version, the standard
    library stops there or decodes the rest wrongly. Text that a mailing list appended to the base64 is left out.
    """
    lines = data.translate(None, b"\r\n")
    letters = bytearray()
    position, ended = 0, False
    for match in _PADDING.finditer(lines):
        letters += lines[position : match.start()].translate(None, _NO_BASE64)
        position, open_ = match.end(), len(letters) % 4
        if open_ == 3 or (open_ == 2 and match[0].count(b"=") > 1):
            last = match.start() if open_ == 3 else lines.index(b"=", match.start() + 1)
            position, ended = last + 1, True
            break
    if not ended:
        letters += lines[position:].translate(None, _NO_BASE64)
        position = len(lines)
    if len(letters) == 1:
        return data
    if len(letters) % 4 == 1:
        del letters[-1]  # six bits aren't a byte
    decoded = bytearray(binascii.a2b_base64(letters + b"=" * (-len(letters) % 4)))
    while more := _MORE_BASE64.match(lines, position):
        position = more.end()
        if not more[1] or (not more[1].endswith(b"=") and position < len(lines)):
            break
        decoded += binascii.a2b_base64(more[1])
    return bytes(decoded)


def _digest(digest: Hash, pieces: Iterable[bytes | memoryview]) -> bytes:
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def _by_standard_library(encoding: str, data: bytes) -> bytes:
    part = StandardMessage()
    part["Content-Transfer-Encoding"] = encoding
    part.set_payload(data.decode("ascii", "surrogateescape"))
    decoded = part.get_payload(decode=True)
    return decoded if isinstance(decoded, bytes) else data
