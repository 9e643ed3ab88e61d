"""winmail.dat (TNEF, [MS-OXTNEF]): the attachments in it, and its body if it has one.

Our own code, because no library can be trusted with mail from outside. The existing one loops as often as counts in
the file say (four thousand million times for 50 bytes), and strips trailing zeroes from embedded files. Here every read
is checked against the available bytes, so the time is linear in the size.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from worker.message.mime.charsets import decode
from worker.message.mime.limits import Limits, MessageOverLimit
from worker.message.mime.words import clean

SIGNATURE = b"\x78\x9f\x3e\x22"

# [MS-OXTNEF] 2.1.3.2: the attributes that contain files and bodies, by the low half of their ids.
_ATTACHMENT_LEVEL = 2
_BODY = 0x800C
_ATTACH_DATA = 0x800F
_ATTACH_TITLE = 0x8010
_ATTACH_RENDER = 0x9002
_MESSAGE_PROPERTIES = 0x9003
_ATTACH_PROPERTIES = 0x9005
_CODEPAGE = 0x9007

# [MS-OXPROPS]: properties.
_P_BODY = 0x1000
_P_RTF = 0x1009
_P_HTML = 0x1013
_P_DISPLAY_NAME = 0x3001
_P_DATA = 0x3701
_P_FILENAME = 0x3704
_P_LONG_FILENAME = 0x3707
_P_MIME_TAG = 0x370E
_P_CONTENT_ID = 0x3712
_TEXTS = frozenset({_P_DISPLAY_NAME, _P_FILENAME, _P_LONG_FILENAME, _P_MIME_TAG, _P_CONTENT_ID})

# [MS-OXCDATA] 2.11.1: property types.
_FIXED = {0x0000: 0, 0x0001: 0, 0x0002: 2, 0x0003: 4, 0x0004: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x000A: 4}
_FIXED |= {0x000B: 2, 0x0014: 8, 0x0040: 8, 0x0048: 16}
_VARIABLE = frozenset({0x000D, 0x001E, 0x001F, 0x0102})
_OBJECT = 0x000D
_STRING = 0x001E
_UNICODE = 0x001F
_MULTIPLE = 0x1000
_NAMED = 0x8000
_GUID_SIZE = 16

_RTF_START = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
"""The initial content of the window of compressed RTF ([MS-OXRTFCP] 2.1.2.1)."""
_RTF_NAME = "body.rtf"
_RTF_WINDOW = 4096
_RTF_DENSEST = 9
"""The most that RTF can expand: two bytes and one bit stand for 17 bytes at most."""


class TnefError(Exception):
    """The bytes aren't a valid TNEF stream."""


@dataclass(slots=True)
class TnefFile:
    """One file in a winmail.dat. A body is a file as well: `body.txt`, `body.html` or `body.rtf`.

    data: where it can be, a view of the winmail.dat, so that nested ones aren't held once for each level.
    """

    name: str = ""
    content_type: str = ""
    content_id: str = ""
    data: bytes | memoryview = b""


class Room:
    """What one message's attachments may still use up. All its winmail.dat files share it, nested ones included."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.files = limits.attachments
        self._unpacked = 0.0
        self._rtf = limits.rtf

    def take_file(self) -> None:
        """Count one more attachment. Raises MessageOverLimit."""
        self.files -= 1
        if self.files < 0:
            raise MessageOverLimit("attachments")

    def give_back_file(self) -> None:
        """Count one attachment less, because the files in it are counted instead."""
        self.files += 1

    def open(self, size: int) -> None:
        """Start on a winmail.dat of this size, which limits what may be unpacked from it."""
        self._unpacked = size * self._limits.expansion

    def take(self, size: int) -> None:
        """Count bytes that were unpacked from it. Raises MessageOverLimit."""
        self._unpacked -= size
        if self._unpacked < 0:
            raise MessageOverLimit("expansion")

    def take_rtf(self, size: int) -> None:
        """Count bytes of RTF that are about to be unpacked. Raises MessageOverLimit."""
        if size > self._unpacked:
            raise MessageOverLimit("expansion")
        self._rtf -= size
        if self._rtf < 0:
            raise MessageOverLimit("rtf")


def read(data: bytes | memoryview, room: Room) -> list[TnefFile]:
    """Return the files in a winmail.dat, bodies first. Each is counted in `room` as soon as it is found.

    Raises:
        TnefError: it isn't a valid winmail.dat, and should be kept as it is. None of its files stay counted in `room`.
        MessageOverLimit: it contains too many files, or too much RTF.
    """
    before = room.files
    try:
        return _files(data, room)
    except (TnefError, struct.error, IndexError) as error:
        room.files = before
        raise TnefError from error


def is_tnef(data: bytes | memoryview) -> bool:
    """Whether these bytes begin as a winmail.dat does."""
    return bytes(data[: len(SIGNATURE)]) == SIGNATURE


def _files(data: bytes | memoryview, room: Room) -> list[TnefFile]:
    if not is_tnef(data):
        raise TnefError
    bodies: list[TnefFile] = []
    files: list[TnefFile] = []
    charset = "cp1252"
    for level, name, value in _attributes(data):
        if name == _CODEPAGE:
            charset = f"cp{struct.unpack_from('<I', value)[0]}"
        elif name == _BODY:
            room.take_file()
            bodies.append(TnefFile("body.txt", "text/plain", "", bytes(value).rstrip(b"\0")))
        elif name == _MESSAGE_PROPERTIES:
            for body in _bodies(value):
                room.take_file()
                bodies.append(body)
        elif name == _ATTACH_RENDER:
            room.take_file()
            files.append(TnefFile())
        elif level == _ATTACHMENT_LEVEL and files:
            _add(files[-1], name, value, charset)
    packed = [body for body in bodies if body.name == _RTF_NAME]
    if len(packed) > 1:
        raise TnefError  # a message has only one RTF body
    for body in packed:
        body.data = _rtf(bytes(body.data), room)
    if not bodies and not files:
        raise TnefError
    return bodies + files


def _attributes(data: bytes | memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield level, id and value of each attribute of the stream."""
    view = memoryview(data)
    position = 6
    while position < len(view):
        level, name, _, length = struct.unpack_from("<BHHI", view, position)
        start = position + 9
        position = start + length + 2
        if position > len(view):
            raise TnefError
        yield level, name, view[start : start + length]


def _add(file: TnefFile, name: int, value: memoryview, charset: str) -> None:
    """Add what an attribute says about a file. The long name in its properties overrides the short title."""
    if name == _ATTACH_TITLE and not file.name:
        file.name = _readable(value, charset)
    elif name == _ATTACH_DATA:
        file.data = value
    elif name == _ATTACH_PROPERTIES:
        properties = {identifier: (kind, item) for identifier, kind, item in _properties(value)}
        text = {name: _text(*properties[name], charset) for name in _TEXTS & properties.keys()}
        file.name = text.get(_P_LONG_FILENAME) or file.name or text.get(_P_FILENAME) or text.get(_P_DISPLAY_NAME, "")
        file.content_type = text.get(_P_MIME_TAG, "").lower()
        file.content_id = text.get(_P_CONTENT_ID, "")
        if _P_DATA in properties and not file.data:
            kind, item = properties[_P_DATA]
            file.data = item[_GUID_SIZE:] if kind == _OBJECT else item


def _bodies(value: memoryview) -> Iterator[TnefFile]:
    """Yield the bodies among a message's properties, with RTF still compressed."""
    for identifier, kind, item in _properties(value):
        if identifier == _P_BODY:
            yield TnefFile("body.txt", "text/plain", "", _encoded(kind, item).rstrip(b"\0"))
        elif identifier == _P_HTML:
            yield TnefFile("body.html", "text/html", "", _encoded(kind, item).rstrip(b"\0"))
        elif identifier == _P_RTF:
            yield TnefFile(_RTF_NAME, "application/rtf", "", _encoded(kind, item))


def _encoded(kind: int, item: memoryview) -> bytes:
    return decode(bytes(item), "utf-16-le").encode() if kind == _UNICODE else bytes(item)


def _text(kind: int, item: memoryview, charset: str) -> str:
    if kind == _UNICODE:
        return _readable(item, "utf-16-le")
    return _readable(item, charset) if kind == _STRING else ""


def _readable(text: memoryview, charset: str) -> str:
    """Decode a text without the NUL at its end, and with spaces for other control characters."""
    return clean(decode(bytes(text), charset)).strip()


def _properties(view: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield id, type and first value of each property of variable length ([MS-OXTNEF] 2.1.3.4)."""
    (number,) = struct.unpack_from("<I", view)
    position = 4
    for _ in range(number):
        kind, identifier = struct.unpack_from("<HH", view, position)  # fails at the end, whatever the count says
        position += 4
        if identifier >= _NAMED:
            position = _after_name(view, position)
        values = 1
        if kind & _MULTIPLE or kind in _VARIABLE:
            (values,) = struct.unpack_from("<I", view, position)
            position += 4
        if kind & ~_MULTIPLE in _FIXED:
            position += _padded(_FIXED[kind & ~_MULTIPLE] * values)
            continue
        if kind & ~_MULTIPLE not in _VARIABLE:
            raise TnefError
        for index in range(values):
            (length,) = struct.unpack_from("<I", view, position)
            start = position + 4
            position = start + _padded(length)
            if start + length > len(view):
                raise TnefError
            if index == 0:
                yield identifier, kind, view[start : start + length]


def _after_name(view: memoryview, position: int) -> int:
    """Return where a named property's value starts: after its GUID and its number or name."""
    position += _GUID_SIZE
    by_name, number_or_length = struct.unpack_from("<II", view, position)
    return position + 8 + (_padded(number_or_length) if by_name else 0)


def _padded(length: int) -> int:
    return (length + 3) & ~3


def _rtf(data: bytes, room: Room) -> bytes:
    """Unpack compressed RTF ([MS-OXRTFCP] 2.1)."""
    _, size, magic = struct.unpack_from("<III", data)
    if magic == 0x414C454D:  # 'MELA': not compressed
        return data[16 : 16 + size]
    if magic != 0x75465A4C or size > _RTF_DENSEST * len(data):  # 'LZFu'; the declared size must be possible
        raise TnefError
    room.take_rtf(size)
    out = bytearray(_RTF_START)
    wanted = len(_RTF_START) + size
    position = 16
    while len(out) < wanted:
        control = data[position]
        position += 1
        for bit in range(8):
            if len(out) >= wanted:
                break
            if control >> bit & 1:
                offset, length = (data[position] << 4) | (data[position + 1] >> 4), (data[position + 1] & 15) + 2
                position += 2
                if not _copy(out, offset, length):
                    return bytes(memoryview(out)[len(_RTF_START) :])
            else:
                out.append(data[position])
                position += 1
    return bytes(memoryview(out)[len(_RTF_START) : wanted])


def _copy(out: bytearray, offset: int, length: int) -> bool:
    """Copy bytes from the window, including those being written; False if the offset marks the end of the data."""
    write = len(out) % _RTF_WINDOW
    if offset == write:
        return False
    back = (write - offset) % _RTF_WINDOW
    if back > len(out):
        raise TnefError
    piece = out[-back : len(out) - back + length]
    out += (piece * (length // back + 1))[:length]
    return True
