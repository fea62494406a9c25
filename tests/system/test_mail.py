"""Mail: the outbox and the mailer against a real SMTP server (aiosmtpd), as it goes well and in every way that it may not."""

import asyncio
import email
import email.policy
import os
import socket
import ssl
import sys
import threading
import time
import unittest

try:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import SMTP, AuthResult
except ImportError:  # Debian's package serves Debian's python only
    if os.path.exists("/usr/lib/python3/dist-packages/aiosmtpd") and sys.executable != "/usr/bin/python3":
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    raise

from harness import CtlError, Daemon, certificate, free_port, main, sanitized

SLOW = 4 if sanitized() else 1
PASSWORD = "correct horse"


class Handler:
    """Takes mail, unless it is told what to answer instead."""

    def __init__(self):
        self.lock = threading.Lock()
        self.mails = []       # (recipient, message, whether it came over TLS)
        self.tries = {}       # recipient: attempts
        self.rcpt = {}        # recipient: replies, first come first gone
        self.data = {}        # recipient: the same, after the text
        self.sender = []      # replies to MAIL
        self.pause = 0        # seconds before the reply to a mail
        self.sessions = set()
        self.ids = {}         # recipient: Message-IDs that were seen, of failed attempts too

    async def handle_MAIL(self, server, session, envelope, address, options):
        with self.lock:
            self.sessions.add(session)
            if self.sender:
                return self.sender.pop(0)
        envelope.mail_from = address
        return "250 fine"

    async def handle_RCPT(self, server, session, envelope, address, options):
        with self.lock:
            self.tries[address] = self.tries.get(address, 0) + 1
            if self.rcpt.get(address):
                return self.rcpt[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        address = envelope.rcpt_tos[0]
        with self.lock:
            self.ids.setdefault(address, []).append(message["Message-ID"])
        if self.pause:
            await asyncio.sleep(self.pause)
        with self.lock:
            if self.data.get(address):
                return self.data[address].pop(0)
            self.mails.append((address, message, session.ssl is not None, envelope))
        return "250 taken"

    def to(self, address):
        with self.lock:
            return [message for recipient, message, _, _ in self.mails if recipient == address]


def server_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate())
    return context


class Server:
    """A mail server on a port of its own."""

    def __init__(self, port=None, handler=None, implicit=False, **options):
        self.handler = handler or Handler()
        self.port = port or free_port()
        self.controller = Controller(self.handler, hostname="127.0.0.1", port=self.port, ready_timeout=20,
                                     ssl_context=server_context() if implicit else None, **options)
        self.controller.start()

    def stop(self):
        if self.controller is not None:
            self.controller.stop()
        self.controller = None


class MailTest(unittest.TestCase):
    def daemon(self, smtp=None, port=None, start=True, **settings):
        port = smtp.port if smtp else port
        config = {"mail.server": f"smtp://127.0.0.1:{port}", "mail.from": "Roster, Team <noreply@roster.example>",
                  "mail.starttls": "off", "mail.timeout": 20, "mail.retry_first": 1, "mail.retry_max": 2}
        config.update({"mail." + name: value for name, value in settings.items()})
        daemon = Daemon(config)
        self.addCleanup(daemon.remove)
        if start:
            daemon.start()
            daemon.ctl("org", "create", "acme", "--name", "Ärzte & Söhne")
        return daemon

    def server(self, **options):
        server = Server(**options)
        self.addCleanup(server.stop)
        return server

    def send(self, daemon, address, org="acme"):
        return daemon.ctl("outbox", "test", address, "--org", org)["number"]

    def wait(self, what, seconds=15):
        end = time.monotonic() + seconds * SLOW
        while time.monotonic() < end:
            found = what()
            if found:
                return found
            time.sleep(0.05)
        self.fail("it did not happen")

    def entry(self, daemon, number):
        for entry in daemon.ctl("outbox", "list"):
            if entry["number"] == number:
                return entry
        return None

    def finish(self, daemon):
        self.assertEqual(daemon.verify(), "")
        self.assertEqual(daemon.faults(), "")

    # ---- It goes well ----

    def test_delivery(self):
        server = self.server()
        daemon = self.daemon(server)
        number = self.send(daemon, "ada@example.com")
        message = self.wait(lambda: server.handler.to("ada@example.com"))[0]
        self.assertEqual(message["Subject"], "Test mail of Ärzte & Söhne")
        self.assertEqual(message["From"].addresses[0].display_name, "Roster, Team")
        self.assertEqual(message["From"].addresses[0].addr_spec, "noreply@roster.example")
        self.assertEqual([a.addr_spec for a in message["To"].addresses], ["ada@example.com"])
        self.assertRegex(message["Message-ID"], r"^<[^<>@\s]+@roster\.example>$")
        self.assertLess(abs(message["Date"].datetime.timestamp() - time.time()), 300)
        self.assertEqual(message["Auto-Submitted"], "auto-generated")
        self.assertEqual(message["MIME-Version"], "1.0")
        self.assertEqual(message.get_content_type(), "multipart/alternative")
        plain, html = message.iter_parts()
        self.assertEqual((plain.get_content_type(), html.get_content_type()), ("text/plain", "text/html"))
        self.assertIn("Ärzte & Söhne", plain.get_content())
        self.assertIn("<b>Ärzte &amp; Söhne</b>", html.get_content())
        self.assertNotIn("{{", plain.get_content() + html.get_content())
        raw = server.handler.mails[0][3]
        self.assertEqual((raw.mail_from, raw.rcpt_tos), ("noreply@roster.example", ["ada@example.com"]))
        self.assertTrue(raw.content.isascii(), "8-bit clean or not, every server takes it")
        text = raw.content.split(b"\r\n\r\n", 1)[1]
        self.assertLessEqual(max(map(len, text.split(b"\r\n"))), 78)
        self.wait(lambda: self.entry(daemon, number) is None)
        self.assertIn("event=mail-sent", daemon.log())
        self.assertNotIn("ada@example.com", daemon.log())
        self.finish(daemon)

    def test_many_over_one_connection(self):
        server = self.server()
        daemon = self.daemon(server)
        for n in range(40):
            self.send(daemon, f"person{n}@example.com")
        self.wait(lambda: len(server.handler.mails) == 40, 60)
        self.wait(lambda: daemon.ctl("outbox", "list") == [])
        self.assertEqual(len({message["Message-ID"] for _, message, _, _ in server.handler.mails}), 40)
        self.assertLessEqual(len(server.handler.sessions), 3)
        self.finish(daemon)

    def test_a_connection_that_went_stale(self):
        server = self.server()
        daemon = self.daemon(server)
        self.send(daemon, "first@example.com")
        self.wait(lambda: server.handler.to("first@example.com"))
        server.stop()
        again = Server(port=server.port)
        self.addCleanup(again.stop)
        number = self.send(daemon, "second@example.com")
        self.wait(lambda: again.handler.to("second@example.com"))
        self.wait(lambda: self.entry(daemon, number) is None)

    # ---- The server refuses ----

    def test_later_then_success(self):
        server = self.server()
        daemon = self.daemon(server)
        server.handler.rcpt["slow@example.com"] = ["451 4.7.1 greylisted, come again"]
        server.handler.data["slow@example.com"] = ["452 4.3.1 no room"]
        number = self.send(daemon, "slow@example.com")
        entry = self.wait(lambda: (lambda e: e if e and e["attempts"] else None)(self.entry(daemon, number)))
        self.assertEqual(entry["state"], "waiting")
        self.assertTrue("451" in entry["error"] or "452" in entry["error"], entry)
        self.wait(lambda: server.handler.to("slow@example.com"))
        self.assertEqual(server.handler.tries["slow@example.com"], 3)
        self.assertEqual(len(server.handler.ids["slow@example.com"]), 2)
        self.assertEqual(len(set(server.handler.ids["slow@example.com"])), 1, "the same Message-ID each time")
        self.wait(lambda: self.entry(daemon, number) is None)
        self.finish(daemon)

    def test_refused_for_good(self):
        server = self.server()
        daemon = self.daemon(server)
        server.handler.rcpt["nobody@example.com"] = ["550 5.1.1 no \x1b[31msuch user"]
        server.handler.data["spam@example.com"] = ["554 5.7.1 spam"]
        server.handler.rcpt["other@example.com"] = ["553 5.1.3 bad"]
        numbers = [self.send(daemon, name + "@example.com") for name in ("nobody", "spam", "other")]
        self.wait(lambda: len(daemon.ctl("outbox", "list", "--dead")) == 3)
        dead = {entry["number"]: entry for entry in daemon.ctl("outbox", "list", "--dead")}
        self.assertEqual(sorted(dead), numbers)
        for number, words in zip(numbers, (["550", "recipient"], ["554", "mail"], ["553"])):
            self.assertEqual((dead[number]["state"], dead[number]["attempts"]), ("dead", 1))
            for word in words:
                self.assertIn(word, dead[number]["error"])
            self.assertNotIn("\x1b", dead[number]["error"])
        time.sleep(3)
        self.assertEqual(server.handler.tries["nobody@example.com"], 1, "the dead are not tried again")
        # one again, one dropped, the rest again
        daemon.ctl("outbox", "retry", numbers[0])
        self.wait(lambda: server.handler.to("nobody@example.com"))
        daemon.ctl("outbox", "drop", numbers[1])
        self.assertIsNone(self.entry(daemon, numbers[1]))
        self.assertEqual(daemon.ctl("outbox", "retry", "--dead")["retried"], 1)
        self.wait(lambda: server.handler.to("other@example.com"))
        self.assertEqual(server.handler.to("spam@example.com"), [])
        self.wait(lambda: daemon.ctl("outbox", "list") == [])
        for arguments in (("retry", numbers[0]), ("drop", numbers[1]), ("retry", "x"), ("drop", "0"), ("retry",),
                          ("retry", "--dead", "1")):
            with self.assertRaises(CtlError, msg=arguments):
                daemon.ctl("outbox", *arguments)
        self.finish(daemon)

    def test_given_up_after_so_many_attempts(self):
        server = self.server()
        daemon = self.daemon(server, attempts=3)
        server.handler.rcpt["full@example.com"] = ["452 4.2.2 full"] * 9
        number = self.send(daemon, "full@example.com")
        self.wait(lambda: (self.entry(daemon, number) or {}).get("state") == "dead")
        self.assertEqual(self.entry(daemon, number)["attempts"], 3)
        self.assertEqual(server.handler.tries["full@example.com"], 3)

    def test_one_refused_does_not_hold_the_others(self):
        server = self.server()
        daemon = self.daemon(server, retry_first=600, retry_max=600)
        server.handler.rcpt["a@example.com"] = ["451 later"]
        self.send(daemon, "a@example.com")
        self.wait(lambda: server.handler.tries.get("a@example.com"))
        self.send(daemon, "b@example.com")
        self.wait(lambda: server.handler.to("b@example.com"))

    # ---- The server is not there ----

    def test_server_down_then_up(self):
        port = free_port()
        daemon = self.daemon(port=port)
        for n in range(5):
            self.send(daemon, f"p{n}@example.com")
        self.wait(lambda: any(entry["attempts"] for entry in daemon.ctl("outbox", "list")))
        self.assertLessEqual(sum(entry["attempts"] for entry in daemon.ctl("outbox", "list")), 3,
                             "an outage is felt by one mail at a time")
        server = self.server(port=port)
        self.wait(lambda: len(server.handler.mails) == 5, 30)
        self.wait(lambda: daemon.ctl("outbox", "list") == [])
        self.finish(daemon)

    def test_retry_ends_the_wait_for_the_server(self):
        port = free_port()
        daemon = self.daemon(port=port, retry_first=600, retry_max=600)
        number = self.send(daemon, "p@example.com")
        self.wait(lambda: self.entry(daemon, number)["attempts"] == 1)
        server = self.server(port=port)
        time.sleep(1)
        self.assertEqual(server.handler.mails, [])
        daemon.ctl("outbox", "retry", number)
        self.wait(lambda: server.handler.to("p@example.com"), 5)

    # ---- The daemon dies ----

    def test_kill_before_sending(self):
        port = free_port()
        daemon = self.daemon(port=port)
        numbers = [self.send(daemon, f"p{n}@example.com") for n in range(10)]
        daemon.kill()
        server = self.server(port=port)
        daemon.start()
        self.wait(lambda: len(server.handler.mails) == 10, 30)
        self.wait(lambda: daemon.ctl("outbox", "list") == [])
        for n in range(10):
            self.assertEqual(len(server.handler.to(f"p{n}@example.com")), 1)
        self.assertEqual(len(numbers), 10)
        self.finish(daemon)

    def test_kill_while_sending(self):
        server = self.server()
        daemon = self.daemon(server)
        server.handler.pause = 2
        self.send(daemon, "ada@example.com")
        self.wait(lambda: server.handler.ids.get("ada@example.com"))
        daemon.kill()  # the text is there, the answer is not
        server.handler.pause = 0
        daemon.start()
        self.wait(lambda: len(server.handler.ids["ada@example.com"]) == 2)
        self.assertEqual(len(set(server.handler.ids["ada@example.com"])), 1,
                         "sent again, and the reader's side can tell that it is the same")
        self.wait(lambda: daemon.ctl("outbox", "list") == [])
        self.finish(daemon)

    def test_a_stop_waits_for_the_mail_under_way(self):
        server = self.server()
        daemon = self.daemon(server)
        server.handler.pause = 1.5
        self.send(daemon, "ada@example.com")
        self.wait(lambda: server.handler.ids.get("ada@example.com"))
        daemon.end()
        daemon.start()
        self.assertEqual(daemon.ctl("outbox", "list"), [])
        self.assertEqual(len(server.handler.ids["ada@example.com"]), 1)

    def test_a_stop_is_bounded(self):
        with socket.create_server(("127.0.0.1", 0)) as mute:  # takes the connection, never says a word
            daemon = self.daemon(port=mute.getsockname()[1], timeout=600)
            number = self.send(daemon, "ada@example.com")
            mute.settimeout(20)
            connection, _ = mute.accept()
            began = time.monotonic()
            daemon.end()
            self.assertLess(time.monotonic() - began, 8 * SLOW)
            connection.close()
            daemon.start()
            self.assertEqual(self.entry(daemon, number)["state"], "waiting")

    # ---- TLS and passwords ----

    def test_starttls(self):
        server = self.server(tls_context=server_context(), require_starttls=True)
        daemon = self.daemon(server, starttls="require", ca_file=certificate()[0])
        self.send(daemon, "ada@example.com")
        self.wait(lambda: server.handler.to("ada@example.com"))
        self.assertTrue(server.handler.mails[0][2], "over TLS")

    def test_implicit_tls(self):
        server = self.server(implicit=True)
        daemon = self.daemon(server, server=f"smtps://localhost:{server.port}", ca_file=certificate()[0])
        self.send(daemon, "ada@example.com")
        self.wait(lambda: server.handler.to("ada@example.com"))

    def test_a_stranger_gets_nothing(self):
        for options, settings in (({}, {"starttls": "require"}),
                                  ({"tls_context": server_context()}, {"starttls": "require"}),
                                  ({"tls_context": server_context()}, {"starttls": "try"})):
            with self.subTest(**settings):  # no STARTTLS; a certificate of an unknown authority
                server = self.server(**options)
                daemon = self.daemon(server, **settings)
                number = self.send(daemon, "ada@example.com")
                entry = self.wait(lambda: (lambda e: e if e["attempts"] > 1 else None)(self.entry(daemon, number)))
                self.assertEqual(entry["state"], "waiting")
                self.assertTrue(entry["error"])
                self.assertEqual((server.handler.mails, server.handler.tries), ([], {}))
                self.assertIn("event=mail-deferred", daemon.log())

    def test_try_goes_without_where_there_is_none(self):
        server = self.server()
        daemon = self.daemon(server, starttls="try")
        self.send(daemon, "ada@example.com")
        self.wait(lambda: server.handler.to("ada@example.com"))

    def test_login(self):
        def authenticate(_server, _session, _envelope, _mechanism, data):
            return AuthResult(success=data.login == b"roster" and data.password == PASSWORD.encode())

        server = self.server(tls_context=server_context(), require_starttls=True, auth_required=True,
                             authenticator=authenticate)
        daemon = self.daemon(server, start=False)
        secret = daemon.folder / "password"
        secret.write_text("not " + PASSWORD + "\n")
        daemon.extra.update({"mail.starttls": "require", "mail.ca_file": certificate()[0], "mail.user": "roster",
                             "mail.password_file": str(secret)})
        daemon.write_config()
        daemon.start()
        daemon.ctl("org", "create", "acme")
        number = self.send(daemon, "ada@example.com")
        entry = self.wait(lambda: (lambda e: e if e["attempts"] else None)(self.entry(daemon, number)))
        self.assertEqual(entry["state"], "waiting", "a wrong password is no fault of the mail")
        secret.write_text(PASSWORD + "\n")  # no restart
        self.wait(lambda: server.handler.to("ada@example.com"))
        self.assertNotIn(PASSWORD, daemon.log())
        self.assertNotIn(PASSWORD, str(daemon.ctl("outbox", "list")))

    # ---- Orgs, settings, arguments ----

    def test_an_org_takes_its_mail_along(self):
        daemon = self.daemon(port=free_port(), retry_first=600, retry_max=600)
        daemon.ctl("org", "create", "other")
        mine, theirs = self.send(daemon, "a@example.com"), self.send(daemon, "b@example.com", "other")
        self.assertEqual([entry["number"] for entry in daemon.ctl("outbox", "list", "--org", "acme")], [mine])
        daemon.ctl("org", "delete", "acme", "--now", "--yes")
        self.assertEqual([entry["number"] for entry in daemon.ctl("outbox", "list")], [theirs])
        with self.assertRaises(CtlError):
            daemon.ctl("outbox", "list", "--org", "acme")
        self.finish(daemon)

    def test_mail_of_a_suspended_org_waits(self):
        server = self.server()
        daemon = self.daemon(server)
        daemon.ctl("org", "suspend", "acme")
        number = self.send(daemon, "a@example.com")
        entry = self.wait(lambda: (lambda e: e if e["error"] else None)(self.entry(daemon, number)))
        self.assertEqual((entry["attempts"], entry["state"]), (0, "waiting"))
        self.assertEqual(server.handler.mails, [])
        daemon.ctl("org", "resume", "acme")
        self.wait(lambda: server.handler.to("a@example.com"))

    def test_arguments(self):
        daemon = self.daemon(port=free_port())
        for arguments in (("nobody", "--org", "acme"), ("a@b\r\nX: y", "--org", "acme"), ("<a@b>", "--org", "acme"),
                          ("a@example.com", "--org", "nowhere"), ("a@example.com",), ("a@b,c@d", "--org", "acme")):
            with self.assertRaises(CtlError, msg=arguments):
                daemon.ctl("outbox", "test", *arguments)
        self.assertEqual(daemon.ctl("outbox", "list"), [])

    def test_without_a_mail_server(self):
        daemon = Daemon()
        self.addCleanup(daemon.remove)
        daemon.start()
        daemon.ctl("org", "create", "acme")
        with self.assertRaises(CtlError) as refused:
            daemon.ctl("outbox", "test", "a@example.com", "--org", "acme")
        self.assertIn("no mail server", refused.exception.text)
        self.assertEqual(daemon.ctl("outbox", "list"), [])

    def test_a_wrong_sender_is_told_at_the_start(self):
        for sender in ("nobody", "A\n <a@b>", "a@b, c@d"):
            daemon = Daemon({"mail.server": "smtp://127.0.0.1", "mail.from": sender})
            self.addCleanup(daemon.remove)
            with self.assertRaises(AssertionError) as ended:
                daemon.start()
            self.assertIn("mail.from", str(ended.exception))
            daemon.process = None

    def test_mail_without_a_public_address_is_refused_at_the_start(self):
        """Else the links in mails, which prove addresses, would lead where a request's Host says."""
        daemon = Daemon({"mail.server": "smtp://127.0.0.1", "mail.from": "a@b.example", "public_url": None})
        self.addCleanup(daemon.remove)
        with self.assertRaises(AssertionError) as ended:
            daemon.start()
        for name in ("mail.server", "public_url"):
            self.assertIn(name, str(ended.exception))
        daemon.process = None


if __name__ == "__main__":
    main()
