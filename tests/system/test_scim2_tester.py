"""A real client library and its conformance suite, scim2-client and scim2-tester, against the daemon.

./check makes the virtual environment (requirements.txt pins it) and runs this program with its python.
"""

import unittest

from harness import SystemTest, certificate, main

try:
    import ssl

    from httpx2 import Client
    from scim2_client.engines.httpx2 import SyncSCIMClient
    from scim2_models import User
    from scim2_tester import Status, check_server
except ImportError:
    Client = None


@unittest.skipIf(Client is None, "scim2-tester is not installed (no package index within reach)")
class Scim2Tester(SystemTest):
    def client(self, org):
        context = ssl.create_default_context(cafile=certificate()[0])
        return Client(base_url=org.base, headers={"Authorization": "Bearer " + org.token}, verify=context, timeout=30)

    @staticmethod
    def only_display(result):
        """The suite wants members back exactly as sent. Their display is the server's own (no client can know the name
        that its neighbour's user has now), so an answer that differs in that alone is right."""
        if not result.reason or "'members'" not in result.reason or not isinstance(result.data, dict):
            return False

        def shape(members):
            return [(member.value, str(member.ref), member.type) for member in members or []]

        got = result.data.get("modify_actual", result.data.get("actual"))
        return shape(result.data.get("expected")) == shape(got)

    @staticmethod
    def only_nothing(result):
        """The suite adds an empty object as the extension of which all attributes are readOnly, and wants it back. What
        has no value is not there (RFC 7643 section 2.5)."""
        if not isinstance(result.data, dict) or "expected" not in result.data:
            return False
        expected, got = result.data["expected"], result.data.get("modify_actual", result.data.get("actual"))
        return got is None and hasattr(expected, "model_dump") and set(expected.model_dump(exclude_none=True)) <= {"schemas"}

    def suite(self, dialect):
        """Users and Groups: of the other types, what a connection may do is no business of the suite."""
        org = self.org(dialect)
        with self.client(org) as http:
            results = check_server(SyncSCIMClient(http), resource_types=["User", "Group"])
        bad = [result for result in results if result.status in (Status.ERROR, Status.CRITICAL)
               and not self.only_display(result) and not self.only_nothing(result)]
        passed = [result for result in results if result.status in (Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE)]
        self.assertEqual([], [f"{r.title} [{r.resource_type}]: {r.reason} {r.data}" for r in bad])
        deviations = [f"{r.title}: {r.reason}" for r in results if r.status == Status.DEVIATION]
        self.assertEqual([], deviations)
        self.assertGreater(len(passed), 50, "the suite found little to check")
        self.assertEqual(org.find("/Users")["totalResults"], 0, "it cleans up")

    def test_strict(self):
        self.suite("strict")

    def test_tolerant(self):
        self.suite("tolerant")

    def test_client_library(self):
        """The library's own idea of a life: it checks each answer against the published schemas."""
        org = self.org("strict")
        with self.client(org) as http:
            client = SyncSCIMClient(http)
            client.discover()
            model = client.get_resource_model("User") or User
            made = client.create(model(user_name="ada", display_name="Ada"))
            self.assertEqual(made.user_name, "ada")
            made.display_name = "Countess"
            self.assertEqual(client.replace(made).display_name, "Countess")
            self.assertEqual(client.query(model, made.id).display_name, "Countess")
            self.assertEqual(client.query(model).total_results, 1)
            client.delete(model, made.id)
            self.assertEqual(org.find("/Users")["totalResults"], 0)


if __name__ == "__main__":
    main()
