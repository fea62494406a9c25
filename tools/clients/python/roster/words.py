"""What one asks with, and what comes back.

Subjects, scopes and groups may be given as a UUID (the id), as a text (any of their names), or as one of the classes here, which
say which name is meant: say it where others choose names.
"""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union, overload

from .codec import Answer, Value, encode_fields
from .errors import Malformed
from .numbers import CODE_NAMES, REQUEST

MEMBER, PERSON, TEAM = 0, 1, 2  # kinds of subjects
USER, GROUP = 0, 2              # kinds of members

Pairs = List[Tuple[str, Value]]


@dataclass(frozen=True)
class Subject:
    """One of id, name (userName; of a team displayName), external_id, or any of them; kind is MEMBER, PERSON or TEAM."""

    any: Optional[str] = None
    id: Optional[uuid.UUID] = None
    name: Optional[str] = None
    external_id: Optional[str] = None
    kind: int = MEMBER


@dataclass(frozen=True)
class Scope:
    """A workspace, project or team by id; any of them by names from the organisation down with "/" between; or one that is named
    for what it is."""

    any: Optional[str] = None
    id: Optional[uuid.UUID] = None
    team: Optional[str] = None
    workspace: Optional[str] = None
    project: Optional[str] = None


SubjectLike = Union[Subject, uuid.UUID, str]
ScopeLike = Union[Scope, uuid.UUID, str]
GroupLike = Union[uuid.UUID, str]
Owner = Union[uuid.UUID, str]


@dataclass(frozen=True)
class Check:
    """A question of check_batch; what it lacks is taken from the arguments of the call."""

    subject: Optional[SubjectLike] = None
    permission: Optional[str] = None
    scope: Optional[ScopeLike] = None
    owner: Optional[Owner] = None
    member: Optional[Owner] = None
    of_scope: bool = False


@dataclass(frozen=True)
class IsMember:
    """A question of is_member_batch; what it lacks is taken from the arguments of the call."""

    subject: Optional[SubjectLike] = None
    group: Optional[GroupLike] = None
    direct: bool = False


def given(**values: Optional[Value]) -> Pairs:
    """Fields by name ("_" for "-"), without those that are None, False or 0. A trailing "_" is dropped."""
    return [(name.rstrip("_").replace("_", "-"), value) for name, value in values.items()
            if value is not None and (value or not isinstance(value, int))]


def subject_fields(subject: Optional[SubjectLike]) -> Pairs:
    if subject is None:
        return []
    if isinstance(subject, str):
        return given(subject=subject)
    if isinstance(subject, uuid.UUID):
        return given(subject_id=subject)
    return given(subject=subject.any, subject_id=subject.id, subject_name=subject.name,
                 subject_external_id=subject.external_id, subject_kind=subject.kind)


def scope_fields(scope: Optional[ScopeLike]) -> Pairs:
    if scope is None:
        return []
    if isinstance(scope, str):
        return given(scope=scope)
    if isinstance(scope, uuid.UUID):
        return given(scope_id=scope)
    return given(scope=scope.any, scope_id=scope.id, team=scope.team, workspace=scope.workspace, project=scope.project)


def group_fields(group: Optional[GroupLike]) -> Pairs:
    if isinstance(group, uuid.UUID):
        return given(group_id=group)
    return given(group=group)


def check_fields(question: Check) -> Pairs:
    return (subject_fields(question.subject) + given(permission=question.permission) + scope_fields(question.scope)
            + given(owner=_name(question.owner), member=_name(question.member), of_scope=question.of_scope))


def member_fields(question: IsMember) -> Pairs:
    return subject_fields(question.subject) + group_fields(question.group) + given(direct=question.direct)


def _name(value: Optional[Owner]) -> Optional[str]:
    return None if value is None else str(value)


def encode_request(fields: Pairs) -> bytes:
    return encode_fields(fields, REQUEST)


# ---- Answers ----

@dataclass(frozen=True)
class Decision:
    """True when the answer is yes. code is a word of the table of codes; what follows it is filled in by explain."""

    answer: bool
    code: str
    revision: int
    reason: Optional[str] = None
    role: Optional[str] = None
    through: Optional[str] = None
    scope_id: Optional[uuid.UUID] = None
    assignment_id: Optional[uuid.UUID] = None
    team_ids: Tuple[uuid.UUID, ...] = ()
    own: bool = False
    missing: Optional[str] = None

    def __bool__(self) -> bool:
        return self.answer

    @classmethod
    def of(cls, answer: Answer) -> "Decision":
        return cls(answer.number("answer") == 1, code_name(answer.number("code")), answer.number("revision"),
                   answer.maybe_text("reason"), answer.maybe_text("role"), answer.maybe_text("through"),
                   answer.maybe_id("scope-id"), answer.maybe_id("assignment-id"), tuple(answer.get("team-id", ())),
                   bool(answer.number("own")), answer.maybe_text("missing"))


def code_name(code: int) -> str:
    return CODE_NAMES.get(code, str(code))


class Decisions(Sequence[bool]):
    """The answers of a batch, in the order of its questions; code(i) says why. revision is the oldest that an answer is true
    at."""

    def __init__(self, codes: bytes, yes: Iterable[int], revision: int) -> None:
        self.codes = codes
        self.revision = revision
        self._yes = frozenset(yes)

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, index: int) -> bool: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[bool]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[bool, Sequence[bool]]:
        if isinstance(index, slice):
            return [code in self._yes for code in self.codes[index]]
        return self.codes[index] in self._yes

    def __iter__(self) -> Iterator[bool]:
        return (code in self._yes for code in self.codes)

    def code(self, index: int) -> str:
        return code_name(self.codes[index])


@dataclass(frozen=True)
class Entry:
    """A member or a group in a list; name only when names were asked for, direct only in groups_of."""

    id: uuid.UUID
    kind: int = USER
    name: Optional[str] = None
    direct: bool = False

    @classmethod
    def of(cls, item: Answer) -> "Entry":
        return cls(item.id(), item.number("kind"), item.maybe_text("name"), bool(item.number("direct")))


@dataclass(frozen=True)
class Permission:
    permission: str
    own: bool  # for own things only

    @classmethod
    def of(cls, item: Answer) -> "Permission":
        return cls(item.text("permission"), bool(item.number("own")))


@dataclass(frozen=True)
class Membership:
    """An organisation of a person, and the member that they are there."""

    org: str
    id: uuid.UUID
    name: str

    @classmethod
    def of(cls, item: Answer) -> "Membership":
        return cls(item.text("org"), item.id(), item.text("name"))


@dataclass(frozen=True)
class Record:
    """A resource as GET gives it over HTTPS."""

    id: uuid.UUID
    resource: Dict[str, Any] = field(repr=False)
    version: int
    revision: int

    @classmethod
    def of(cls, answer: Answer, revision: int = 0) -> "Record":
        return cls(answer.id(), resource_of(answer), answer.number("version"), answer.number("revision") or revision)


def resource_of(answer: Answer) -> Dict[str, Any]:
    try:
        value = json.loads(answer["resource"])
    except (KeyError, ValueError):
        raise Malformed("an answer without a resource", "resource") from None
    if not isinstance(value, dict):
        raise Malformed("a resource that is no object", "resource")
    return value


@dataclass(frozen=True)
class Written:
    id: uuid.UUID
    revision: int  # what reads are told to see at least
    version: int   # of the resource
    created: bool

    @classmethod
    def of(cls, answer: Answer) -> "Written":
        return cls(answer.id(), answer.number("revision"), answer.number("version"), bool(answer.number("created")))


def json_bytes(value: Union[Dict[str, Any], str, bytes]) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
