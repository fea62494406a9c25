"""userName by PRECIS (RFC 8265 section 3.3, UsernameCaseMapped): no two names that compare alike.

Python's unicodedata is the judge of width, case and normalisation.
"""

import random
import unicodedata

from harness import USER, SystemTest, main


def width(text):
    """Fullwidth and halfwidth forms to their decompositions, nothing else."""
    out = []
    for c in text:
        how = unicodedata.decomposition(c)
        if how.startswith(("<wide>", "<narrow>")):
            out.append("".join(chr(int(part, 16)) for part in how.split()[1:]))
        else:
            out.append(c)
    return "".join(out)


def mapped(text):
    return unicodedata.normalize("NFC", width(text).lower())


ALIKE = [
    ("ada", "ADA"), ("Straße", "STRAßE"), ("ｆｕｌｌｗｉｄｔｈ", "fullwidth"), ("ＡＤＡ２", "ada2"),
    ("zoe\u0308", "ZOË"), ("\u00c5", "a\u030a"), ("Ωmega", "ωmega"), ("ｶﾞ", "ガ"),
    ("ÉCOLE", "e\u0301cole"), ("王小明", "王小明"), ("Ж", "ж"), ("x＠example", "X@example"),
    ("İstanbul", "i\u0307stanbul"), ("ada lovelace", "ADA Lovelace"),
]
APART = [
    ("strasse", "straße"),  # toLowerCase, not case folding: ß is not ss
    ("ada", "ada1"), ("o", "о"),  # a Latin and a Cyrillic letter
    ("résumé", "resume"), ("ab", "a b"), ("ı", "i"),
]
REFUSED = {
    "control": "a\u0007b", "newline": "a\nb", "zero width space": "a\u200bb", "soft hyphen": "a\u00adb",
    "compatibility": "\ufb01sh",  # the fi ligature has a compatibility decomposition
    # RFC 8264 section 9.17: what NFKC changes is refused before NFC could map it
    "angstrom sign": "\u212b", "long s with dot": "\u1e9b\u0323x",
    "superscript": "x\u00b2", "symbol": "a\u2665", "emoji": "a\U0001F600", "non-ASCII space": "a\u00a0b",
    "punctuation": "a\u2014b", "roman numeral": "\u2163", "unassigned": "a\u0378", "noncharacter": "a\ufdd0",
    "jamo": "\u1100\u1161", "bidi": "\u05d0a\u05d1", "private use": "\ue000", "tag": "a\U000E0041",
    "leading space": " ada", "trailing space": "ada ", "two spaces": "a  b", "only space": " ",
    "zwj out of context": "a\u200db",
}


class Precis(SystemTest):
    def test_alike(self):
        for dialect in ("tolerant", "strict"):
            for one, other in ALIKE:
                org = self.shared(dialect)
                with self.subTest(one=one, other=other):
                    user = org.user(one)
                    self.assertEqual(user["userName"], one, "stored as sent")
                    self.refused(org.post("/Users", {"schemas": [USER], "userName": other}), 409, "uniqueness")
                    self.assertEqual(org.find("/Users", f'userName eq "{other}"').ids, [user["id"]])
                    self.assertEqual(org.delete("/Users/" + user["id"]).status, 204)

    def test_apart(self):
        org = self.org("strict")
        for one, other in APART:
            with self.subTest(one=one, other=other):
                a, b = org.user(one), org.user(other)
                self.assertEqual(org.find("/Users", f'userName eq "{one}"').ids, [a["id"]])
                for user in (a, b):
                    org.delete("/Users/" + user["id"])

    def test_refused(self):
        for dialect in ("tolerant", "strict"):
            org = self.org(dialect)
            for why, name in REFUSED.items():
                with self.subTest(why=why):
                    error = self.refused(org.post("/Users", {"schemas": [USER], "userName": name}), 400, "invalidValue")
                    self.assertIn("userName", error["detail"])
            self.assertEqual(org.find("/Users")["totalResults"], 0)

    def test_asking_for_a_refused_name_finds_nobody(self):
        org = self.shared("strict")
        for name in ("a\u200bb", " ada", "a\u2665"):
            self.assertEqual(self.ok(org.find("/Users", f'userName eq "{name}"'))["totalResults"], 0)

    def test_long_names(self):
        """Longer than an index key: still unique, still found."""
        org = self.org("strict")
        base = "x" * 600
        one, other = org.user(base + "1"), org.user(base + "2")
        self.refused(org.post("/Users", {"schemas": [USER], "userName": (base + "1").upper()}), 409, "uniqueness")
        self.assertEqual(org.find("/Users", f'userName eq "{base.upper()}2"').ids, [other["id"]])
        self.assertEqual(org.find("/Users", f'userName sw "{base}"')["totalResults"], 2)
        self.assertEqual(org.find("/Users", f'userName gt "{base}1"').ids, [other["id"]])

    def test_random_against_unicodedata(self):
        dice = random.Random(20)
        alphabet = [c for c in map(chr, list(range(0x21, 0x7f)) + list(range(0xc0, 0x180)) + list(range(0x391, 0x3c9))
                                   + list(range(0x410, 0x450)) + list(range(0xff21, 0xff3b)) + list(range(0xff41, 0xff5b))
                                   + [0x301, 0x308, 0x30a, 0x327])
                    if unicodedata.category(c) in ("Lu", "Ll", "Mn", "Nd") or c in "@._-"]
        alphabet = [c for c in alphabet if c not in "ŉĿŀĲĳſΣς"]  # NFKC changes some; sigma is decided by position
        org = self.org("strict")
        known = {}
        for _ in range(700):
            base = "".join(dice.choice(alphabet) for _ in range(dice.choice((1, 1, 2, 2, 3, 8))))
            if unicodedata.category(base[0]) == "Mn":
                continue
            name = dice.choice((base, base.upper() if len(base.upper()) == len(base) else base, base.lower(),
                                unicodedata.normalize("NFD", base), unicodedata.normalize("NFC", base)))
            if any(c in "ŉĿŀĲĳſΣς" or (unicodedata.normalize("NFKC", c) != unicodedata.normalize("NFC", c)
                                           and not width(c) != c) for c in name):
                continue
            reply = org.post("/Users", {"schemas": [USER], "userName": name})
            key = mapped(name)
            if key in known:
                self.assertEqual(reply.status, 409, (name, known[key], reply))
            else:
                self.assertEqual(reply.status, 201, (name, reply))
                known[key] = name
            found = org.find("/Users", 'userName eq "' + name.replace("\\", "\\\\").replace('"', '\\"') + '"')
            self.assertEqual(found.names, [known[key]], name)
        self.assertGreater(len(known), 200)


if __name__ == "__main__":
    main()
