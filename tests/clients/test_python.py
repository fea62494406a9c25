"""The Python client against docs/PROTOCOL.md: its numbers and examples, the codec, and the verbs with a scripted server."""

import os
import pickle
import random
import re
import ssl
import time
import unittest
import uuid

import document
import scripted
from scripted import ScriptedTest, codec, harness, numbers, roster

SEED = int(os.environ.get("ROSTER_SEED", random.randrange(1 << 32)))
ADA = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")
CREW = uuid.UUID("01890a5d-ac97-7000-8000-00000000000a")


class TestDocument(ScriptedTest):
    def test_numbers(self):
        wanted = document.numbers()
        self.assertEqual(wanted["types"], numbers.TYPES)
        self.assertEqual(wanted["codes"], numbers.CODES)
        for name, table in (("requests", numbers.REQUEST), ("answers", numbers.ANSWER)):
            self.assertEqual(wanted[name], {it.name: (it.number, it.kind, it.many) for it in table.fields})
            self.assertGreater(len(wanted[name]), 40)

    def test_every_field_is_described_and_means_something(self):
        text = document.TEXT.split("\n## Numbers\n")[0]
        daemon = "".join(file.read_text() for file in (document.ROOT / "daemon/roster").glob("*.c"))
        for table, prefix in (("requests", "IN_"), ("answers", "OUT_")):
            for name in document.numbers()[table]:
                with self.subTest(f"{name} of {table}"):
                    self.assertIn(f"`{name}`", text)
                    self.assertTrue(re.search(rf"\b{prefix}{name.upper().replace('-', '_')}\b", daemon))

    def test_examples(self):
        examples = document.examples()
        self.assertGreater(len(examples), 15)
        for example in examples:
            with self.subTest(f"{example.type} {example.id}"):
                table = numbers.REQUEST if example.request else numbers.ANSWER
                frame, end = codec.decode_frame(example.raw)
                self.assertEqual(end, len(example.raw))
                self.assertEqual((frame.name, frame.id), (example.type, example.id))
                self.assertEqual((frame.last, frame.error), ("last" in example.flags, "error" in example.flags))
                self.assertEqual(codec.decode_fields(frame.payload, table), example.fields)
                payload = codec.encode_fields(example.fields, table)
                self.assertEqual(codec.encode_frame(example.type, example.id, payload, frame.flags), example.raw)

    def test_the_client_says_what_the_examples_say(self):
        """The methods, asked as the examples ask, send their bytes."""
        sent = []

        def script(peer):
            peer.hello()
            for _ in range(5):
                request = peer.read()
                sent.append((request.name, request.frame.payload))
                peer.fail(request, 404, "NOT_FOUND")
            peer.rest()
        client = self.client(script)
        bob = roster.Subject(name="bob@example.com")
        works = uuid.UUID("01890a5d-ac98-7000-8000-0000000000ff")
        for ask in (lambda: client.is_member(ADA, CREW, org="acme"),
                    lambda: client.check(roster.Subject(name="ada@example.com"), "content.edit", "Works", org="acme",
                                         explain=True),
                    lambda: client.check_batch([roster.Check(permission="content.edit"), roster.Check(bob, "content.view")],
                                               subject=ADA, scope=works, org="acme"),
                    lambda: client.delete("User", ADA, if_revision=299, org="acme"),
                    lambda: client.is_member("ada", "", revision=(1 << 64) - 1)):
            self.assertRaises(roster.RosterError, ask)
        wanted = [(it.type, it.raw[12:]) for it in document.examples() if it.request]
        for one in sent:
            self.assertIn(one, wanted)
        self.assertEqual(len(sent), 5)


class TestCodec(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)

    def number(self):
        return self.random.choice((0, 1, 127, 128, (1 << 64) - 1, self.random.getrandbits(self.random.randint(1, 64))))

    def fields(self, table, depth=1):
        """Random fields, each that is no list at most once."""
        chosen = self.random.sample(table.fields, self.random.randint(0, 12))
        chosen += [field for field in chosen if field.many] * 2
        self.random.shuffle(chosen)
        return [(field.name, self.value(field, table, depth)) for field in chosen if depth or field.name != "item"]

    def value(self, field, table, depth):
        if field.kind == numbers.NUMBER:
            return self.number()
        if field.kind == numbers.ID:
            return uuid.UUID(int=self.random.getrandbits(128))
        if field.name == "item":
            return self.fields(table, depth - 1)
        return self.random.randbytes(self.random.choice((0, 1, 127, 128, 300)))

    def test_random_fields_come_back(self):
        for round in range(3000):
            table = self.random.choice((numbers.REQUEST, numbers.ANSWER))
            fields = self.fields(table)
            payload = codec.encode_fields(fields, table)
            self.assertEqual(codec.decode_fields(payload, table), fields, f"seed {SEED}, round {round}")
            self.assertEqual(codec.encode_fields(codec.decode_fields(payload, table), table), payload)

    def test_random_bytes_are_refused_or_mean_one_thing(self):
        """What decodes encodes to the same bytes, but for what was passed over: there is one way to say something."""
        taken = 0
        for round in range(20000):
            data = self.random.randbytes(self.random.randint(0, 12))
            try:
                fields = codec.decode_fields(data, numbers.REQUEST)
            except roster.Malformed:
                continue
            again = codec.encode_fields(fields, numbers.REQUEST)
            if len(again) >= len(data):
                taken += 1
                self.assertEqual(again, data, f"seed {SEED}, round {round}")
        self.assertGreater(taken, 100)

    def test_every_cut_is_noticed(self):
        for name, value in (("limit", 1 << 63), ("id", ADA), ("org", "acme"), ("item", [("org", "x" * 200)])):
            whole = codec.encode_fields([(name, value)], numbers.REQUEST)
            for length in range(1, len(whole)):
                with self.assertRaises(roster.Malformed, msg=(name, length)):
                    codec.decode_fields(whole[:length], numbers.REQUEST)

    def test_malformed(self):
        for what, data in (
                ("overlong 0", "028000"), ("overlong", "02e100"), ("11 bytes", "02" + "80" * 10 + "01"),
                ("65 bits", "02" + "ff" * 9 + "02"), ("kind 3", "c1"), ("kind 3, unknown", "fe"),
                ("twice", "02010201"), ("wrong kind", "01" + "01"), ("wrong kind", "4201" + "00"),
                ("unknown field", "2c00"), ("overlong length", "41810061"), ("item in item", "55" + "02" + "5500"),
                ("length beyond the end", "41ffffffffffffffffff01")):
            with self.assertRaises(roster.Malformed, msg=what):
                codec.decode_fields(bytes.fromhex(data), numbers.REQUEST)

    def test_what_may_be_passed_over(self):
        self.assertEqual(codec.decode_fields(bytes.fromhex("3f01" + "4101" + "61" + "bf" + "00" * 16 + "7f00"),
                                             numbers.REQUEST), [("org", b"a")])
        self.assertEqual(codec.decode_fields(bytes.fromhex("3900" + "0103" + "7901" + "61" + "3900"), numbers.ANSWER),
                         [("revision", 3)])
        self.assertRaises(roster.Malformed, codec.decode_fields, b"\xff", numbers.ANSWER)

    def test_what_cannot_be_sent(self):
        for field in (("nothing", 1), ("limit", -1), ("limit", 1 << 64), ("limit", "1"), ("id", b"1" * 16), ("org", 1),
                      ("org", "\ud800"), ("org", [("limit", 1)])):
            with self.assertRaises(roster.Malformed, msg=field) as caught:
                codec.encode_fields([field], numbers.REQUEST)
            self.assertEqual(caught.exception.field, field[0])

    def test_frames_in_pieces(self):
        frames = [codec.encode_frame(self.random.randrange(256), self.random.getrandbits(32),
                                     self.random.randbytes(self.random.randint(0, 40)), self.random.randrange(4))
                  for _ in range(50)]
        stream, buffer, found = b"".join(frames), bytearray(), []
        while stream:
            size = self.random.randint(1, 30)
            buffer += stream[:size]
            stream = stream[size:]
            while True:
                one = codec.decode_frame(buffer)
                if one is None:
                    break
                found.append(codec.encode_frame(one[0].type, one[0].id, one[0].payload, one[0].flags))
                del buffer[:one[1]]
        self.assertEqual(found, frames)

    def test_frames_that_lost_their_framing(self):
        for head in ("00000000 01040000 00000001", "00000000 01010100 00000001", "00000000 01010001 00000001",
                     "00400001 01010000 00000001"):
            with self.assertRaises(roster.Malformed, msg=head):
                codec.decode_frame(bytes.fromhex(head))
        self.assertIsNone(codec.decode_frame(bytes.fromhex("00400000 01010000 00000001")))

    def test_errors_travel(self):
        """Errors can be copied and sent to other processes, as multiprocessing does."""
        for error in (roster.RosterError(429, "RATE_LIMITED", "later", "x", 0.5), roster.Disconnected("gone", True),
                      roster.DeadlineExceeded("late"), roster.Resync("old", 7), roster.Stale("old"),
                      roster.Malformed("bad", "org")):
            again = pickle.loads(pickle.dumps(error))
            self.assertEqual((type(again), vars(again), str(again)), (type(error), vars(error), str(error)))


class TestAsking(ScriptedTest):
    def test_hello_goes_with_the_first_request(self):
        def script(peer):
            hello, ping = peer.read("hello"), peer.read("ping")  # before anything is answered
            self.assertEqual(hello.fields[:2], [("version", 1), ("token", b"rst_test")])
            peer.answer(ping, ("data", b"x"))
            peer.answer(hello, *scripted.WELCOME, ("org", "acme"))
            peer.rest()
        client = self.client(script)
        self.assertLess(client.ping(b"x"), 5)
        who = client.connect()
        self.assertEqual((who.server, who.actor, who.org, who.max_items, who.heartbeat),
                         ("scripted/1", "service", "acme", 10000, 10.0))

    def test_hello_refused(self):
        def script(peer):
            peer.fail(peer.read("hello"), 401, "UNAUTHORIZED", "unknown token")
            peer.rest()
        client = self.client(script)
        for ask in (client.ping, client.connect):
            with self.assertRaises(roster.RosterError) as caught:
                ask()
            self.assertEqual((caught.exception.status, caught.exception.error), (401, "UNAUTHORIZED"))

    def test_pipelined_and_answered_out_of_order(self):
        """All threads' requests are under way at once, and each gets its own answer."""
        many = 40

        def script(peer):
            peer.hello()
            requests = [peer.read("is-member") for _ in range(many)]  # none is answered before all have come
            self.assertEqual(len({request.id for request in requests}), many)
            random.Random(SEED).shuffle(requests)
            for request in requests:
                peer.answer(request, ("revision", int(request["subject"])), ("answer", 1), ("code", 41))
            peer.rest()
        client = self.client(script)
        results = self.together(*[lambda n=n: client.is_member(str(n), "g") for n in range(1, many + 1)])
        self.assertEqual([(bool(one), one.code, one.revision) for one in results],
                         [(True, "nested", n) for n in range(1, many + 1)])
        self.assertEqual(len(client.server.accepted), 1)

    def test_parts_between_each_other(self):
        def script(peer):
            peer.hello()
            lists = [peer.read("members-of") for _ in range(3)]
            for number in range(50):
                for request in lists:
                    item = [("id", uuid.UUID(int=number)), ("name", request["group"] + b"%d" % number)]
                    peer.answer(request, ("revision", 5), ("item", item), last=False)
            for request in reversed(lists):
                peer.answer(request, ("revision", 6))
            peer.rest()
        client = self.client(script)
        results = self.together(*[lambda g=g: list(client.members_of(g, names=True)) for g in "abc"])
        for group, found in zip("abc", results):
            self.assertEqual([(it.id.int, it.name) for it in found], [(n, f"{group}{n}") for n in range(50)])

    def test_errors(self):
        def script(peer):
            peer.hello()
            peer.fail(peer.read(), 429, "RATE_LIMITED", "slower", ("retry-after", 1500))
            peer.fail(peer.read(), 400, "INVALID_VALUE", "no such place", ("field", "scope"))
            request = peer.read()
            peer.answer(request, ("item", [("permission", "a")]), last=False)
            peer.fail(request, 500, "INTERNAL", "the log knows")
            peer.answer(peer.read(), ("revision", 1), ("code", 2), ("missing", "x"))
            peer.rest()
        client = self.client(script)
        with self.assertRaises(roster.RosterError) as caught:
            client.check("a", "b")
        self.assertEqual((caught.exception.retry_after, caught.exception.field), (1.5, None))
        with self.assertRaises(roster.RosterError) as caught:
            client.check("a", "b", "Nowhere")
        self.assertEqual(str(caught.exception), "scope: no such place (400 INVALID_VALUE)")
        with self.assertRaises(roster.RosterError) as caught:
            list(client.permissions_of("a"))  # what came before the error is not an answer
        self.assertEqual(caught.exception.error, "INTERNAL")
        no = client.check("a", "b")
        self.assertEqual((bool(no), no.code, no.missing), (False, "missing", "x"))
        self.assertEqual(len(client.server.accepted), 1, "errors end no connection")

    def test_explained(self):
        place, grant = uuid.uuid4(), uuid.uuid4()

        def script(peer):
            peer.hello()
            self.assertEqual(peer.read("check").fields, [
                ("org", b"acme"), ("revision", 7), ("subject-id", ADA), ("subject-kind", 2), ("permission", b"p"),
                ("workspace", b"W"), ("project", b"P"), ("owner", str(ADA).encode()), ("member", b"m"), ("of-scope", 1),
                ("explain", 1)])
            fields = [("revision", 9), ("answer", 1), ("code", 1), ("reason", "r\u00e9"), ("role", "x"), ("through", "y"),
                      ("scope-id", place), ("assignment-id", grant), ("team-id", ADA), ("team-id", CREW), ("own", 1)]
            payload = codec.encode_fields(fields, numbers.ANSWER) + bytes.fromhex("3f05" + "7f0161")  # of later versions
            peer.raw(codec.encode_frame("check", 2, payload))
            peer.rest()
        client = self.client(script, org="acme")
        found = client.check(roster.Subject(id=ADA, kind=roster.TEAM), "p", roster.Scope(workspace="W", project="P"),
                             owner=ADA, member="m", of_scope=True, explain=True, revision=7)
        self.assertEqual(found, roster.Decision(True, "granted", 9, "r\u00e9", "x", "y", place, grant, (ADA, CREW), True))

    def test_batches_are_split_as_the_server_likes_it(self):
        """Two frames of at most 1,000 questions; the second is answered in three parts."""
        sizes = []

        def script(peer):
            peer.hello(max_items=1000)
            sizes.append(self.answer_batch(peer, 1))
            sizes.append(self.answer_batch(peer, 3))
            peer.rest()
        client = self.client(script, org="acme")
        found = client.is_member_batch([roster.IsMember(str(n)) for n in range(1200)], group="g")
        self.until(lambda: len(sizes) == 2)
        self.assertEqual((len(found), sizes), (1200, [1000, 200]))
        self.assertEqual(list(found), [n % 3 != 0 for n in range(1200)])
        self.assertEqual((found[0], found[1], found[2]), (False, True, True))
        self.assertEqual((found.code(0), found.code(1), found.code(2)), ("not_member", "direct", "nested"))
        self.assertEqual(found.revision, 100)

    def answer_batch(self, peer, parts):
        request = peer.read("is-member-batch")
        self.assertEqual([name for name, _ in request.fields[:3]], ["org", "group", "item"])
        items = [dict(value) for name, value in request.fields if name == "item"]
        codes = bytes((42, 40, 41)[int(item["subject"]) % 3] for item in items)
        size = -(-len(codes) // parts)
        for part in range(parts):
            peer.answer(request, ("revision", 100 + part), ("answers", codes[part * size:(part + 1) * size]),
                        last=part == parts - 1)
        return len(items)

    def test_batches_are_split_by_their_bytes(self):
        def script(peer):
            peer.hello(max_payload=40000)
            while True:
                request = peer.read("check-batch")
                self.assertLessEqual(len(request.frame.payload), 40000)
                peer.answer(request, ("revision", 1), ("answers", b"\1" * (len(request.fields) - 1)))
        client = self.client(script, org="acme")
        found = client.check_batch(roster.Check(str(n), "p" * 1000) for n in range(100))
        self.assertEqual(list(found), [True] * 100)
        self.assertEqual(list(client.check_batch([])), [])

    def test_a_batch_of_wrong_length(self):
        def script(peer):
            peer.hello()
            peer.answer(peer.read(), ("revision", 1), ("answers", b"\1"))
            peer.rest()
        self.assertRaises(roster.Malformed, self.client(script).check_batch, [roster.Check("a", "b")] * 2)

    def pages(self, peer, total):
        """Answers lists of numbered members, page by page."""
        while True:
            request = peer.read("who-can")
            self.pages_asked.append(request["limit"])
            start = int.from_bytes(request.get("cursor", b""), "big")
            end = min(total, start + request["limit"])
            for number in range(start, end):
                peer.answer(request, ("revision", 3), ("item", [("id", uuid.UUID(int=number))]), last=False)
            more = [("cursor", end.to_bytes(4, "big"))] if end < total else []
            peer.answer(request, ("revision", 4), *more)

    def test_lists_by_pages(self):
        self.pages_asked = []

        def script(peer):
            peer.hello()
            self.pages(peer, 4500)
        client = self.client(script)
        listing = client.who_can("p")
        self.assertEqual(next(listing).id.int, 0)
        self.assertEqual(self.pages_asked, [2000], "the next page is asked for when it is read")
        self.assertEqual([it.id.int for it in listing], list(range(1, 4500)))
        self.assertEqual((self.pages_asked, listing.cursor, listing.revision), ([2000] * 3, None, 4))
        self.pages_asked.clear()
        listing = client.who_can("p", limit=2500)
        self.assertEqual(len(list(listing)), 2500)
        self.assertEqual(self.pages_asked, [2000, 500])
        rest = client.who_can("p", cursor=listing.cursor)
        self.assertEqual([it.id.int for it in rest], list(range(2500, 4500)))
        self.assertRaises(ValueError, client.who_can, "p", limit=0)

    def test_asking_while_a_list_is_read(self):
        """A reader that takes its time holds up nobody, itself least of all."""
        self.pages_asked = []

        def script(peer):
            peer.hello()
            request = peer.read("who-can")
            for number in range(request["limit"]):
                peer.answer(request, ("item", [("id", uuid.UUID(int=number))]), last=False)
            peer.answer(request, ("revision", 1))
            while True:
                peer.answer(peer.read("check"), ("revision", 1), ("answer", 1), ("code", 1))
        client = self.client(script)
        self.assertTrue(all(client.check("x", "p") for _ in client.who_can("p", limit=200)))

    def test_records(self):
        def script(peer):
            peer.hello()
            request = peer.read("get")
            self.assertEqual(request.fields, [("type", b"User"), ("id", ADA), ("attributes", b"userName,active")])
            peer.answer(request, ("resource", b'{"userName":"ada"}'), ("id", ADA), ("revision", 5), ("version", 4))
            request = peer.read("find")
            self.assertEqual(request.fields, [("type", b"User"), ("filter", b"active eq true"), ("sort", b"userName"),
                                              ("descending", 1), ("limit", 7)])
            peer.answer(request, ("item", [("resource", b"{}"), ("id", ADA), ("version", 4)]), ("revision", 6))
            request = peer.read("put")
            self.assertEqual(request.fields, [("type", b"User"), ("resource", '{"userName":"\u00e9"}'.encode())])
            peer.answer(request, ("id", ADA), ("revision", 7), ("version", 7), ("created", 1))
            request = peer.read("put")
            self.assertEqual(request.fields[2:], [("id", ADA), ("if-revision", 7)])
            peer.answer(request, ("id", ADA), ("revision", 8), ("version", 8))
            peer.answer(peer.read("delete"), ("revision", 9))
            peer.answer(peer.read("stats"), ("item", [("name", "users"), ("count", 3)]), ("item", [("name", "groups")]))
            peer.answer(peer.read("orgs-of"), ("item", [("org", "acme"), ("id", ADA), ("name", "Acme")]))
            request = peer.read("groups-of")
            self.assertEqual(request.fields, [("subject-external-id", b"e1"), ("direct", 1), ("limit", 2000)])
            peer.answer(request, ("item", [("id", CREW), ("kind", 2), ("direct", 1)]))
            peer.rest()
        client = self.client(script)
        found = client.get("User", ADA, attributes=["userName", "active"])
        self.assertEqual((found.resource, found.id, found.version, found.revision), ({"userName": "ada"}, ADA, 4, 5))
        found, = client.find("User", "active eq true", sort="userName", descending=True, limit=7)
        self.assertEqual((found.version, found.revision), (4, 6))
        self.assertEqual(client.put("User", {"userName": "\u00e9"}), roster.Written(ADA, 7, 7, True))
        self.assertEqual(client.put("User", "{}", ADA, if_revision=7), roster.Written(ADA, 8, 8, False))
        self.assertEqual(client.delete("User", ADA), 9)
        self.assertEqual(client.stats(), {"users": 3, "groups": 0})
        self.assertEqual(list(client.orgs_of()), [roster.Membership("acme", ADA, "Acme")])
        self.assertEqual(list(client.groups_of(roster.Subject(external_id="e1"), direct=True)),
                         [roster.Entry(CREW, roster.GROUP, None, True)])

    def test_another_token(self):
        def script(peer):
            peer.hello()
            peer.answer(peer.read("ping"))
            self.assertEqual(peer.hello(actor="person")["token"], b"rst_new")
            peer.fail(peer.read("hello"), 401, "UNAUTHORIZED")
            peer.answer(peer.read("ping"))
            peer.rest()
        client = self.client(script)
        client.ping()
        client.set_token("rst_new")
        self.assertEqual(client.connect().actor, "person")
        self.assertRaises(roster.RosterError, client.set_token, "rst_wrong")
        client.ping()
        self.assertEqual(client._options.token, "rst_new")


class TestTls(ScriptedTest):
    def refused(self, context, **options):
        began = time.monotonic()
        client = self.client(lambda peer: peer.rest(), context, **options)
        with self.assertRaises(roster.Disconnected) as caught:
            client.ping()
        self.assertTrue(caught.exception.final)
        self.assertLess(time.monotonic() - began, 5, "what will not get better is not tried again")
        self.assertEqual(len(client.server.accepted), 1)

    def test_old_tls(self):
        self.refused(scripted.server_context(version=ssl.TLSVersion.TLSv1_2))

    def test_no_alpn(self):
        self.refused(scripted.server_context(alpn=()))

    def test_another_protocol(self):
        self.refused(scripted.server_context(alpn=("http/1.1",)))

    def test_unknown_authority(self):
        self.refused(scripted.server_context(), ca=None)

    def test_client_certificate(self):
        """Sent in the handshake; then the hello has no token."""
        seen = []
        context = scripted.server_context()
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(harness.certificate()[0])

        def script(peer):
            seen.append(peer.connection.getpeercert()["subject"])
            hello = peer.hello()
            self.assertEqual((hello.get("token"), hello.get("org")), (None, b"acme"))
            peer.answer(peer.read("ping"))
            peer.rest()
        self.client(script, context, token=None, certificate=harness.certificate(), issuer="acme").ping()
        self.assertEqual(seen, [((("commonName", "localhost"),),)])

    def test_addresses(self):
        for address in ("roster://host", "https://host:1", "host:1", "roster://:1", "roster://host:1/x", "roster://h:x"):
            with self.assertRaises(ValueError, msg=address):
                roster.Client(address)


if __name__ == "__main__":
    unittest.main()
