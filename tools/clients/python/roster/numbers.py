"""The numbers of roster/1: types of frames, fields of requests and of answers, codes of decisions.

These are the tables of docs/PROTOCOL.md ("Numbers") and nothing more; a test compares the two.
"""

from typing import Dict, List, NamedTuple

NUMBER, BYTES, ID = 0, 1, 2  # the kinds of fields


class Field(NamedTuple):
    number: int
    name: str
    kind: int
    many: bool  # it may come more than once


class Table:
    """The fields of one direction. Below `optional`, a field that is not in the table is refused."""

    def __init__(self, optional: int, rows: str) -> None:
        self.optional = optional
        self.by_name: Dict[str, Field] = {}
        self.by_number: Dict[int, Field] = {}
        for row in rows.split("\n"):
            if row.strip():
                number, name, kind = row.split()
                field = Field(int(number), name, "nbi".index(kind[0]), kind.endswith("*"))
                self.by_name[name] = self.by_number[field.number] = field

    @property
    def fields(self) -> List[Field]:
        return list(self.by_number.values())


def _named(rows: str) -> Dict[str, int]:
    words = rows.split()
    return {name: int(number) for number, name in zip(words[::2], words[1::2])}


TYPES = _named("""
    1 hello  2 ping  3 cancel  4 stats
    16 check  17 check-batch  18 is-member  19 is-member-batch
    20 groups-of  21 members-of  22 permissions-of  23 who-can  24 orgs-of
    32 get  33 find  34 put  35 delete
    48 sync-begin  49 sync-records  50 sync-plan  51 sync-commit  52 sync-abort
    64 watch
""")
TYPE_NAMES = {number: name for name, number in TYPES.items()}

# In requests, unknown fields from 48 on are passed over.
REQUEST = Table(48, """
    1 org b
    2 revision n
    3 subject-id i
    4 subject-name b
    5 subject-external-id b
    6 subject b
    7 subject-kind n
    8 permission b
    9 scope-id i
    10 scope b
    11 workspace b
    12 project b
    13 team b
    14 owner b
    15 member b
    16 of-scope n
    17 explain n
    18 group-id i*
    19 group b
    20 direct n
    21 item b*
    22 limit n
    23 cursor b
    24 type b
    25 id i
    26 filter b
    27 attributes b
    28 excluded b
    29 sort b
    30 descending n
    31 resource b
    32 if-revision n
    33 token b
    34 version n
    35 target n
    36 from n
    37 view n
    38 heartbeat n
    39 data b
    40 sync n
    41 connection b
    42 match b
    43 groups n
    48 client b
    49 names n
""")

# In answers, all that is unknown is passed over.
ANSWER = Table(0, """
    1 revision n
    2 answer n
    3 code n
    4 reason b
    5 role b
    6 through b
    7 scope-id i
    8 assignment-id i
    9 team-id i*
    10 missing b
    11 own n
    12 answers b
    13 item b*
    14 id i
    15 name b
    16 kind n
    17 direct n
    18 permission b
    19 org b
    20 resource b
    21 type b
    22 cursor b
    23 version n
    24 created n
    25 max-payload n
    26 max-requests n
    27 max-items n
    28 heartbeat n
    29 server b
    30 actor b
    32 status n
    33 error b
    34 message b
    35 field b
    36 retry-after n
    37 sync n
    38 action n
    39 count n
    40 data b
    41 time n
    42 event n
    43 group-id i
    44 more n
    45 snapshot n
    46 settled n
""")

CODES = _named("""
    1 granted  2 missing  3 own_only  4 elsewhere  5 off  6 token  7 not_here
    16 unknown_subject  17 ambiguous_subject  18 inactive_subject  19 unknown_permission
    20 unknown_scope  21 ambiguous_scope  22 unknown_resource  23 unknown_group  24 ambiguous_group
    40 direct  41 nested  42 not_member
    62 error  63 malformed
""")
CODE_NAMES = {number: name for name, number in CODES.items()}
CHECK_YES = frozenset((CODES["granted"],))
MEMBER_YES = frozenset((CODES["direct"], CODES["nested"]))
