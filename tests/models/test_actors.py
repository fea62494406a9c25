"""The audit log tells who it was: a person, a key, a service, an operator, a connection; and who may read it can ask for each."""

import json
import urllib.parse

from living import GROUP, LivingTest, OURS, replaced
from harness import find_member, main


class Actors(LivingTest):
    def setUp(self):
        super().setUp()
        self.org_ = self.living("standard")
        self.owner = self.org_.owner
        self.me = self.org_.member(self.owner)
        self.reader = self.person()
        self.org_.join(self.reader, "org/admin")

    def key(self):
        return self.allowed(self.org_.send(self.owner, "POST", "/Tokens", {
            "schemas": [OURS + "Token"], "kind": "key", "displayName": "deploy", "permissions": ["team.*", "member.*"]}))

    def service(self):
        self.label = self.name("shop")
        return find_member(self.daemon.ctl("token", "create", "--service", "--orgs", self.org_.key, "--label", self.label,
                                           "--permissions", "team.create,team.edit,team.delete"), ("token",))

    def events(self, filter=None, who=None, **parameters):
        if filter:
            parameters["filter"] = filter
        query = urllib.parse.urlencode({"count": 200, **parameters}, quote_via=urllib.parse.quote)
        reply = self.org_.send(who or self.reader, "GET", f"/AuditEvents?{query}")
        return self.allowed(reply).get("Resources", [])

    def story(self, token):
        """The same by each actor: makes a team, renames it, removes it. Returns its id and its names."""
        names = self.name("team"), self.name("team")
        team = self.allowed(self.org_.send(token, "POST", "/Groups", {"schemas": [GROUP], "displayName": names[0]}))["id"]
        self.allowed(self.org_.send(token, "PATCH", f"/Groups/{team}", replaced("displayName", names[1])))
        self.allowed(self.org_.send(token, "DELETE", f"/Groups/{team}"))
        return team, names

    def number(self, **wanted):
        """The number of a token that is on the platform."""
        [found] = [item["number"] for item in self.operate("GET", "/Tokens?count=500")["Resources"]
                   if all(item.get(name) == value for name, value in wanted.items())]
        return found

    def everybody(self):
        """kind -> (secret of the token, the actor that is to be told)."""
        key = self.key()
        owners = self.operate("GET", "/Tokens?count=500")["Resources"]
        [mine] = [item["number"] for item in owners if item.get("owner", {}).get("value") == self.owner.id]
        idp = self.daemon.connect(self.org_.key, "okta")
        [okta] = self.org_.listed("/Connections")
        [connection_token] = [item["number"] for item in self.org_.listed("/Tokens") if item["kind"] == "connection"]
        shown = self.owner.name.capitalize()
        return {
            "person": (self.owner, {"value": self.me, "display": shown, "token": mine}),
            "key": (key["token"], {"value": self.me, "display": shown, "token": key["number"]}),
            "service": (self.service(), {"token": self.number(kind="service", displayName=self.label)}),
            "operator": (self.operator, {"token": self.number(kind="operator")}),
            "connection": (idp, {"value": okta["id"], "display": "okta", "connection": okta["number"], "token": connection_token}),
        }

    def test_who_it_was(self):
        actors = self.everybody()
        teams = {}
        for kind, (token, wanted) in actors.items():
            with self.subTest(actor=kind):
                teams[kind], names = self.story(token)
                story = [event for event in self.events(f'target.value eq "{teams[kind]}" and action sw "Group."')[::-1]
                         if not event["action"].startswith("Group.members")]
                self.assertEqual([(event["action"], event["operation"]) for event in story], [
                    ("Group.create", "create"), ("Group.replace", "replace"), ("Group.delete", "delete")])
                for event in story:
                    self.assertEqual(event["actor"], {"type": kind, **wanted})
                    self.assertEqual((event["door"], event["peer"]), ("scim", "127.0.0.1"))
                changes = [{c["path"]: (c.get("old"), c.get("new")) for c in event["changes"]} for event in story]
                self.assertEqual([change["displayName"] for change in changes],
                                 [(None, names[0]), (names[0], names[1]), (names[1], None)])
        for kind, (_, wanted) in actors.items():
            with self.subTest(filter=kind):
                found = {event["target"]["value"] for event in self.events(f'actor.type eq "{kind}"')}
                self.assertEqual(found & set(teams.values()), {teams[kind]})
                if "value" in wanted:
                    same = [other for other, (_, actor) in actors.items() if actor.get("value") == wanted["value"]]
                    found = {event["target"]["value"] for event in self.events(f'actor.value eq "{wanted["value"]}"')}
                    self.assertEqual(found & set(teams.values()), {teams[other] for other in same})
        self.assertEqual(len(self.events('actor.type eq "person" and actor.type eq "key"')), 0)

    def test_no_secret_is_told(self):
        actors = self.everybody()
        for token, _ in actors.values():
            self.story(token)
        text = json.dumps(self.events())
        for kind, (token, _) in actors.items():
            self.assertNotIn(getattr(token, "token", token), text, kind)

    def test_who_may_read_it(self):
        member, outsider = self.person(), self.person()
        self.org_.join(member)
        self.denied(self.org_.send(member, "GET", "/AuditEvents"), "audit.view")
        self.gone(self.org_.send(outsider, "GET", "/AuditEvents"))
        narrow = self.key()["token"]
        self.denied(self.org_.send(narrow, "GET", "/AuditEvents"), "audit.view")
        self.denied(self.org_.send(self.service(), "GET", "/AuditEvents"), "audit.view")
        event = self.events()[0]
        self.denied(self.org_.send(member, "GET", f"/AuditEvents/{event['id']}"), "audit.view")
        self.assertEqual(self.allowed(self.org_.send(self.reader, "GET", f"/AuditEvents/{event['id']}")), event)
        self.denied(self.org_.send(member, "GET", "/AuditEvents/.export"), "audit.export")


if __name__ == "__main__":
    main()
