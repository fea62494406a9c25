"""docs/PROTOCOL.md as data: the tables of numbers and the examples. Knows nothing of any client."""

import json
import pathlib
import re
import uuid
from collections import namedtuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/PROTOCOL.md").read_text()

# fields: (name, value) in order; bytes are bytes, items lists of fields.
Example = namedtuple("Example", "request type id flags fields raw")


def numbers():
    """{"types": {name: number}, "codes": the same, "requests": {name: (number, kind, many)}, "answers": the same}"""
    chapter = TEXT.split("\n## Numbers\n")[1].split("\n## ")[0]
    types, rest = chapter.split("\nFields of requests")
    requests, rest = rest.split("\nFields of answers")
    answers, codes = rest.split("\nCodes")
    return {"types": _named(types), "codes": _named(codes), "requests": _fields(requests), "answers": _fields(answers)}


def _named(table):
    return {name: int(number) for number, name in re.findall(r"\| (\d+) \| `([a-z_-]+)` ", table)}


def _fields(table):
    return {name: (int(number), "nbi".index(kind), bool(many))
            for number, name, kind, many in re.findall(r"\| (\d+) \| `([a-z-]+)` \| ([nbi])(\*?) ", table)}


def examples():
    return [_example(block) for block in re.findall(r"^```roster\n(.*?)^```$", TEXT, re.M | re.S)]


def _example(block):
    lines = [line.strip() for line in block.splitlines()]
    arrow, type, id, flags = lines[0].split()
    raw = bytes.fromhex("".join(line[1:] for line in lines if line.startswith("=")))
    rows = iter([line for line in lines[1:] if not line.startswith("=")])
    return Example(arrow == ">", type, int(id), set(flags.split(",")) - {"-"}, _rows(rows), raw)


def _rows(rows):
    fields = []
    for row in rows:
        if row == "}":
            break
        name, value = row.split(" ", 1)
        fields.append((name, _rows(rows) if value == "{" else _value(value)))
    return fields


def _value(text):
    if text.startswith('"'):
        return json.loads(text).encode()
    if text.startswith("0x"):
        return bytes.fromhex(text[2:])
    return int(text) if text.isdecimal() else uuid.UUID(text)
