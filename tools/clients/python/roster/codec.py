"""Frames and fields as bytes. Pure: no sockets, no clock.

Fields are a list of (name, value): a number is an int, bytes are bytes (a str is encoded as UTF-8), an id is a UUID, and an
item is a list of fields itself. The order is kept, so that what was decoded encodes to the same bytes.
"""

import struct
import uuid
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple, Union

from .errors import Malformed, Resync, RosterError
from .numbers import ANSWER, BYTES, ID, NUMBER, TYPE_NAMES, TYPES, Field, Table

LAST, ERROR = 1, 2
HEAD = struct.Struct(">IBBHI")
MAX_PAYLOAD = 4 << 20
MAX_NUMBER = (1 << 64) - 1
MAX_ID = (1 << 32) - 1

Value = Union[int, str, bytes, uuid.UUID, Iterable[Tuple[str, Any]]]
Fields = Iterable[Tuple[str, Value]]


class Frame(NamedTuple):
    type: int
    flags: int
    id: int
    payload: bytes

    @property
    def last(self) -> bool:
        return bool(self.flags & LAST)

    @property
    def error(self) -> bool:
        return bool(self.flags & ERROR)

    @property
    def name(self) -> str:
        return TYPE_NAMES.get(self.type, str(self.type))


# ---- Frames ----

def encode_frame(type: Union[int, str], id: int, payload: bytes, flags: int = LAST) -> bytes:
    number = TYPES[type] if isinstance(type, str) else type
    return HEAD.pack(len(payload), number, flags, 0, id) + payload


def decode_frame(data: Union[bytes, bytearray], at: int = 0,
                 limit: int = MAX_PAYLOAD) -> Optional[Tuple[Frame, int]]:
    """The frame that begins at `at`, and where the next one does; None while it is not all there."""
    if len(data) - at < HEAD.size:
        return None
    length, type, flags, reserved, id = HEAD.unpack_from(data, at)
    if reserved or flags & ~(LAST | ERROR):
        raise Malformed("reserved bits are set in a frame's head")
    if length > limit:
        raise Malformed(f"a payload of {length} bytes; at most {limit} are allowed")
    end = at + HEAD.size + length
    if len(data) < end:
        return None
    return Frame(type, flags, id, bytes(data[at + HEAD.size:end])), end


# ---- Fields ----

def encode_number(value: int) -> bytes:
    if not 0 <= value <= MAX_NUMBER:
        raise Malformed(f"{value} is not a number of 64 bits")
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_number(data: bytes, at: int) -> Tuple[int, int]:
    """The number at `at`, and where it ends."""
    value = shift = 0
    for position in range(at, min(len(data), at + 10)):
        byte = data[position]
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            if value > MAX_NUMBER or (byte == 0 and shift > 7):
                raise Malformed("a number that is too large or not in its shortest form")
            return value, position + 1
    raise Malformed("a number that does not end" if len(data) >= at + 10 else "cut off in a number")


def encode_fields(fields: Fields, table: Table) -> bytes:
    return b"".join(_encode_field(name, value, table) for name, value in fields)


def _encode_field(name: str, value: Value, table: Table) -> bytes:
    field = table.by_name.get(name)
    if field is None:
        raise Malformed("no such field", name)
    head = bytes((field.kind << 6 | field.number,))
    try:
        if field.kind == NUMBER and isinstance(value, int):
            return head + encode_number(value)
        if field.kind == ID and isinstance(value, uuid.UUID):
            return head + value.bytes
        if field.kind == BYTES:
            raw = _raw(field, value, table)
            return head + encode_number(len(raw)) + raw
    except (Malformed, UnicodeEncodeError) as why:
        raise Malformed(str(why), name) from None
    raise Malformed(f"a value of type {type(value).__name__}", name)


def _raw(field: Field, value: Value, table: Table) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode()
    if field.name == "item" and not isinstance(value, (int, uuid.UUID)):
        return encode_fields(value, table)
    raise Malformed(f"a value of type {type(value).__name__}")


def decode_fields(data: bytes, table: Table, in_item: bool = False) -> List[Tuple[str, Any]]:
    """All fields, in order; items are decoded, too. What may be passed over is left out. Items hold no items."""
    fields: List[Tuple[str, Any]] = []
    seen = 0
    at, end = 0, len(data)
    while at < end:
        number, kind = data[at] & 63, data[at] >> 6
        value, at = _decode_value(data, at + 1, kind)
        field = table.by_number.get(number)
        if field is None:
            if number < table.optional:
                raise Malformed("an unknown field", str(number))
            continue
        if field.kind != kind:
            raise Malformed("a field of the wrong kind", field.name)
        if not field.many:
            if seen >> number & 1:
                raise Malformed("a field that comes twice", field.name)
            seen |= 1 << number
        if field.name == "item":
            if in_item:
                raise Malformed("an item in an item", field.name)
            value = decode_fields(value, table, True)
        fields.append((field.name, value))
    return fields


def _decode_value(data: bytes, at: int, kind: int) -> Tuple[Any, int]:
    if kind == NUMBER:
        return decode_number(data, at)
    if kind == BYTES:
        length, at = decode_number(data, at)
        if length > len(data) - at:
            raise Malformed("cut off in bytes")
        return data[at:at + length], at + length
    if kind == ID:
        if len(data) - at < 16:
            raise Malformed("cut off in an id")
        return uuid.UUID(bytes=bytes(data[at:at + 16])), at + 16
    raise Malformed("a field of kind 3")


# ---- Answers ----

class Answer(Dict[str, Any]):
    """The fields of an answer, or of an item in it, by name: lists are lists, and items are Answers."""

    def number(self, name: str) -> int:
        return int(self.get(name, 0))

    def text(self, name: str) -> str:
        return _text(self.get(name, b""), name)

    def maybe_text(self, name: str) -> Optional[str]:
        return self.text(name) if name in self else None

    def id(self, name: str = "id") -> uuid.UUID:
        value = self.get(name)
        if not isinstance(value, uuid.UUID):
            raise Malformed("an answer without it", name)
        return value

    def maybe_id(self, name: str) -> Optional[uuid.UUID]:
        return self.get(name)

    @property
    def items_(self) -> List["Answer"]:
        return self.get("item", [])  # type: ignore[no-any-return]


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Malformed("a text that is not UTF-8", name) from None


def answer_of(fields: Iterable[Tuple[str, Any]]) -> Answer:
    answer = Answer()
    for name, value in fields:
        if name == "item":
            value = answer_of(value)
        if ANSWER.by_name[name].many:
            answer.setdefault(name, []).append(value)
        else:
            answer[name] = value
    return answer


def decode_answer(payload: bytes) -> Answer:
    return answer_of(decode_fields(payload, ANSWER))


def error_of(answer: Answer) -> RosterError:
    """The exception that an error frame stands for."""
    if answer.text("error") == "RESYNC":
        return Resync(answer.text("message"), answer.number("revision"))
    wait = answer.number("retry-after")
    return RosterError(answer.number("status"), answer.text("error"), answer.text("message"),
                       answer.maybe_text("field"), wait / 1000 if wait else None)
