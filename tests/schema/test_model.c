#include "common.h"

#include "schema/model_rules.h"

/* A small model with one of everything; the numbers of its lines matter. */
static const char base[] =
	"{\n"
	"  \"format\": 1,\n"
	"  \"name\": \"shop\",\n"
	"  \"version\": 3,\n"
	"  \"title\": \"Shop\", \"description\": \"d\",\n"
	"  \"kinds\": {\n"
	"    \"company\": { \"title\": \"Shop\", \"creator\": \"boss\" },\n"
	"    \"personal\": { \"title\": \"Stall\", \"creator\": \"boss\", \"atSignup\": true,\n"
	"      \"deletable\": false, \"off\": [\"member.*\", \"invite.*\"],\n"
	"      \"limits\": { \"teams\": 0 }, \"quotas\": { \"carts\": 1 }, \"quotaPer\": "
	"\"person\" }\n"
	"  },\n"
	"  \"tree\": { \"workspace\": [\"org\"], \"project\": [\"workspace\"] },\n"
	"  \"permissions\": {\n"
	"    \"till.open\": \"open the till\",\n"
	"    \"till.count\": \"count it\",\n"
	"    \"shelf.fill\": { \"description\": \"fill\", \"at\": [\"workspace\", \"project\"] }\n"
	"  },\n"
	"  \"everyone\": [\"org.view\", \"own:member.edit\"],\n"
	"  \"roles\": {\n"
	"    \"org\": {\n"
	"      \"boss\": { \"title\": \"Boss\", \"description\": \"d\",\n"
	"        \"includes\": [\"chief\"],\n"
	"        \"permissions\": [\"*\"],\n"
	"        \"holders\": { \"min\": 1, \"max\": 1 }, \"guarded\": true },\n"
	"      \"chief\": { \"title\": \"Chief\", \"description\": \"d\",\n"
	"        \"permissions\": [\"member.*\", \"invite.*\", \"till.*\"],\n"
	"        \"implies\": [\"workspace/keeper\"],\n"
	"        \"manages\": [\"clerk\", \"assignment/*\"] },\n"
	"      \"clerk\": { \"title\": \"Clerk\", \"description\": \"d\", \"default\": true,\n"
	"        \"permissions\": [\"own:till.open\"] }\n"
	"    },\n"
	"    \"workspace\": {\n"
	"      \"keeper\": { \"title\": \"Keeper\", \"description\": \"d\", \"creator\": true,\n"
	"        \"permissions\": [\"shelf.fill\", \"workspace.members\", \"project.view\"],\n"
	"        \"manages\": [\"*\"] },\n"
	"      \"helper\": { \"title\": \"Helper\", \"description\": \"d\", \"default\": true,\n"
	"        \"permissions\": [\"shelf.fill\"] }\n"
	"    }\n"
	"  },\n"
	"  \"assignments\": {\n"
	"    \"counter\": { \"title\": \"Counter\", \"description\": \"d\",\n"
	"      \"permissions\": [\"till.count\"], \"for\": [\"clerk\"] },\n"
	"    \"basic\": { \"title\": \"Basic\", \"description\": \"d\",\n"
	"      \"permissions\": [\"own:till.count\"], \"for\": [\"clerk\"], \"required\": true }\n"
	"  },\n"
	"  \"customRoles\": [\"org\", \"workspace\"],\n"
	"  \"invitations\": {\n"
	"    \"external\": false,\n"
	"    \"email\": { \"roles\": [\"clerk\"], \"role\": \"clerk\", \"assignments\": "
	"[\"counter\"],\n"
	"      \"expires\": \"12h\" }\n"
	"  },\n"
	"  \"transfer\": { \"role\": \"boss\", \"previous\": \"chief\" },\n"
	"  \"limits\": { \"members\": 20 },\n"
	"  \"quotas\": { \"carts\": { \"title\": \"Carts\", \"default\": 5 } }\n"
	"}\n";

/* The base with one text replaced, which must be there once. */
static char *
changed(struct arena *a, const char *from, const char *to)
{
	const char *at = strstr(base, from);

	if (at == NULL || strstr(at + 1, from) != NULL)
		fail_msg("\"%s\" is not in the model once", from);
	return arena_printf(a, "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
}

struct mistake {
	const char *from, *to, *path;
	unsigned line;
	const char *reason;
};

static const struct mistake mistakes[] = {
	/* the text */
	{ "\"version\": 3,", "\"version\": 3", "", 5, "expected" },
	{ "\"version\": 3,", "\"version\": 3, \"version\": 4,", "", 4, "duplicate" },
	{ "\"name\": \"shop\"", "\"name\": \"sh\\u0000op\"", "", 3, "\\u0000" },
	/* the head */
	{ "\"format\": 1", "\"format\": 2", "format", 2, "format 1" },
	{ "\"format\": 1,", "", "", 1, "\"format\" is missing" },
	{ "\"name\": \"shop\"", "\"name\": \"Shop\"", "name", 3, "a to z" },
	{ "\"name\": \"shop\"", "\"name\": \"a23456789012345678901234567890123\"", "name", 3,
		"32" },
	{ "\"version\": 3", "\"version\": 0", "version", 4, "from 1 on" },
	{ "\"version\": 3", "\"version\": \"3\"", "version", 4, "a number" },
	{ "\"title\": \"Shop\", \"desc", "\"title\": \"\", \"desc", "title", 5, "not empty" },
	{ "\"customRoles\"", "\"customroles\"", "customroles", 46, "unknown member" },
	/* kinds of org */
	{ "\"company\":", "\"club\":", "kinds.club", 7, "unknown member" },
	{ "\"Shop\", \"creator\": \"boss\"", "\"Shop\", \"creator\": \"king\"",
		"kinds.company.creator", 7, "no role \"king\"" },
	{ "\"Shop\", \"creator\": \"boss\"", "\"Shop\", \"creator\": \"chief\"",
		"kinds.company.creator", 7, "begin without" },
	{ "\"Shop\", \"creator\": \"boss\"", "\"Shop\", \"creator\": \"boss\", \"atSignup\": true",
		"kinds.company.atSignup", 7, "personal" },
	{ "\"off\": [\"member.*\"", "\"off\": [\"own:member.edit\"", "kinds.personal.off", 9,
		"own:" },
	{ "\"off\": [\"member.*\"", "\"off\": [\"members.*\"", "kinds.personal.off[0]", 9,
		"no permission is meant" },
	{ "\"teams\": 0 }", "\"teams\": 0, \"members\": 2 }", "kinds.personal.limits", 10,
		"one member" },
	{ "{ \"teams\": 0 }", "{ \"seats\": 0 }", "kinds.personal.limits.seats", 10,
		"unknown member" },
	{ "{ \"teams\": 0 }", "{ \"teams\": -1 }", "kinds.personal.limits.teams", 10, "0 or more" },
	{ "\"quotas\": { \"carts\": 1 }", "\"quotas\": { \"bags\": 1 }",
		"kinds.personal.quotas.bags", 10, "no such quota" },
	{ "\"quotaPer\": \"person\"", "\"quotaPer\": \"team\"", "kinds.personal.quotaPer", 10,
		"\"org\"" },
	/* the tree */
	{ "\"workspace\": [\"org\"],", "\"workspace\": [\"workspace\"],", "tree.workspace", 12,
		"first workspace" },
	{ "\"workspace\": [\"org\"],", "", "tree.project", 12, "no workspaces" },
	{ "\"project\": [\"workspace\"]", "\"project\": [\"team\"]", "tree.project[0]", 12,
		"\"team\"" },
	{ "\"tree\": { \"workspace\": [\"org\"], \"project\": [\"workspace\"] },", "",
		"roles.workspace", 32, "no scopes of this kind" },
	/* permissions */
	{ "\"till.open\": \"open", "\"till\": \"open", "permissions.till", 14, "two words" },
	{ "\"till.open\": \"open", "\"Till.open\": \"open", "permissions.Till.open", 14,
		"two words" },
	{ "\"till.open\": \"open", "\"member.open\": \"open", "permissions.member.open", 14,
		"daemon's own" },
	{ "\"open the till\"", "\"\"", "permissions.till.open", 14, "description" },
	{ "\"open the till\"", "[]", "permissions.till.open", 14, "description" },
	{ "\"at\": [\"workspace\", \"project\"]", "\"at\": []", "permissions.shelf.fill", 16,
		"not asked for" },
	{ "\"at\": [\"workspace\", \"project\"]", "\"at\": [\"shop\"]",
		"permissions.shelf.fill.at[0]", 16, "\"shop\"" },
	{ "\"everyone\": [\"org.view\"", "\"everyone\": [\"org.look\"", "everyone[0]", 18,
		"no such permission" },
	{ "\"own:member.edit\"", "\"own:member.role\"", "everyone[1]", 18, "own" },
	/* roles */
	{ "\"roles\": {\n    \"org\"", "\"roles\": {\n    \"orgs\"", "roles.orgs", 20,
		"unknown member" },
	{ "\"boss\": { \"title\"", "\"Boss\": { \"title\"", "roles.org.Boss", 21, "a to z" },
	{ "\"boss\": { \"title\": \"Boss\",", "\"boss\": {", "roles.org.boss", 21,
		"\"title\" is missing" },
	{ "\"includes\": [\"chief\"]", "\"includes\": [\"cook\"]", "roles.org.boss.includes[0]", 22,
		"no role \"cook\"" },
	{ "\"includes\": [\"chief\"]", "\"includes\": [\"workspace/keeper\"]",
		"roles.org.boss.includes", 22, "implies" },
	{ "\"includes\": [\"chief\"]", "\"includes\": [\"boss\"]", "roles.org.boss.includes", 22,
		"includes itself" },
	{ "\"implies\": [\"workspace/keeper\"]", "\"includes\": [\"boss\"]",
		"roles.org.chief.includes", 27, "includes itself" },
	{ "\"implies\": [\"workspace/keeper\"]", "\"implies\": [\"clerk\"]",
		"roles.org.chief.implies", 27, "below" },
	{ "\"implies\": [\"workspace/keeper\"]", "\"implies\": [\"workspaces/keeper\"]",
		"roles.org.chief.implies[0]", 27, "no role" },
	{ "[\"*\"],\n        \"holders\"", "[\"*\", \"till.shut\"],\n        \"holders\"",
		"roles.org.boss.permissions[1]", 23, "no such permission" },
	{ "[\"shelf.fill\", \"workspace.members\"", "[\"shelf.fill\", \"org.delete\"",
		"roles.workspace.keeper.permissions[1]", 34, "not asked for" },
	{ "{ \"min\": 1, \"max\": 1 }", "{ \"min\": 1, \"max\": 0 }", "roles.org.boss.holders", 24,
		"at least 1" },
	{ "{ \"min\": 1, \"max\": 1 }", "{ \"min\": 2 }", "roles.org.boss.holders", 24, "0 or 1" },
	{ "{ \"min\": 1, \"max\": 1 }", "{ \"min\": 1, \"max\": 5000000000 }",
		"roles.org.boss.holders", 24, "that many" },
	{ "\"guarded\": true", "\"teams\": true", "roles.org.boss.teams", 24, "counted" },
	{ "\"guarded\": true", "\"default\": true", "roles.org.boss.default", 24, "only 1" },
	{ "\"guarded\": true", "\"guarded\": 1", "roles.org.boss.guarded", 24, "true or false" },
	{ "\"guarded\": true", "\"creator\": true", "roles.org.boss.creator", 24,
		"unknown member" },
	{ "\"Clerk\", \"description\": \"d\", \"default\": true",
		"\"Clerk\", \"description\": \"d\"", "roles.org", 20, "no role has" },
	{ "\"creator\": true", "\"default\": true", "roles.workspace.helper.default", 36,
		"\"workspace/keeper\"" },
	/* who gives what */
	{ "[\"clerk\", \"assignment/*\"]", "[\"boss\"]", "roles.org.chief.manages", 28,
		"transfer only" },
	{ "[\"clerk\", \"assignment/*\"]", "[\"cook\"]", "roles.org.chief.manages[0]", 28,
		"no role \"cook\"" },
	{ "[\"clerk\", \"assignment/*\"]", "7", "roles.org.chief.manages", 28,
		"list of texts, or an object" },
	{ "[\"clerk\", \"assignment/*\"]", "[7]", "roles.org.chief.manages", 28, "list of texts" },
	{ "[\"clerk\", \"assignment/*\"]", "{ \"give\": [\"clerk\"] }", "roles.org.chief.manages",
		28, "\"take\" is missing" },
	{ "\"invite.*\", \"till.*\"]", "\"invite.*\"]", "roles.org.chief.manages", 28,
		"\"org/clerk\" permits \"till.open\"" },
	{ "\"invite.*\", \"till.*\"]", "\"invite.*\", \"own:till.*\"]", "roles.org.chief.manages",
		28, "\"assignment/counter\" permits \"till.count\"" },
	{ "\"manages\": [\"*\"] }", "\"manages\": [\"org/clerk\"] }",
		"roles.workspace.keeper.manages", 35, "not held at or below" },
	/* assignments */
	{ "\"permissions\": [\"till.count\"], \"for\": [\"clerk\"]",
		"\"permissions\": [\"till.count\"], \"for\": [\"workspace/helper\"]",
		"assignments.counter.for", 42, "no role of the org" },
	{ "\"required\": true", "\"default\": true", "assignments.basic.default", 44,
		"unknown member" },
	/* invitations, transfer, the rest */
	{ "\"customRoles\": [\"org\", ", "\"customRoles\": [\"shop\", ", "customRoles[0]", 46,
		"\"shop\"" },
	{ "\"external\": false", "\"external\": \"no\"", "invitations.external", 48,
		"true or false" },
	{ "\"roles\": [\"clerk\"], \"role\": \"clerk\"",
		"\"roles\": [\"clerk\"], \"role\": \"boss\"", "invitations.email.role", 49,
		"not among" },
	{ "\"roles\": [\"clerk\"], \"role\"", "\"roles\": [\"clerk\", \"boss\"], \"role\"",
		"invitations.email.roles", 49, "transfer only" },
	{ "\"roles\": [\"clerk\"], \"role\"", "\"roles\": [\"clerk\", \"chief\"], \"role\"",
		"invitations.email", 49, "nobody" },
	{ "\"roles\": [\"clerk\"], \"role\"",
		"\"roles\": [\"clerk\", \"workspace/helper\"], \"role\"", "invitations.email.roles",
		49, "no role of the org" },
	{ "\"assignments\": [\"counter\"]", "\"assignments\": [\"org/clerk\"]",
		"invitations.email.assignments", 49, "no assignment" },
	{ "\"expires\": \"12h\"", "\"expires\": \"12\"", "invitations.email.expires", 50, "12h" },
	{ "\"expires\": \"12h\"", "\"expires\": \"0d\"", "invitations.email.expires", 50, "12h" },
	{ "\"expires\": \"12h\"", "\"expires\": \"99999d\"", "invitations.email.expires", 50,
		"12h" },
	{ "\"email\": {", "\"link\": {", "invitations.link", 49, NULL },
	{ "\"previous\": \"chief\"", "\"previous\": \"boss\"", "transfer.previous", 52,
		"another one" },
	{ "\"previous\": \"chief\"", "\"previous\": \"cook\"", "transfer.previous", 52, "no role" },
	{ "\"transfer\": { \"role\": \"boss\",", "\"transfer\": { \"role\": \"clerk\",",
		"transfer.role", 52, "org.transfer" },
	{ "\"transfer\": { \"role\": \"boss\", \"previous\": \"chief\" },", "",
		"roles.org.boss.holders", 24, "transfer" },
	{ "{ \"members\": 20 }", "{ \"members\": 0 }", "limits.members", 53, "1 to" },
	{ "\"default\": 5", "\"default\": -5", "quotas.carts.default", 54, "0 or more" },
	{ "\"carts\": { \"title\"", "\"Carts\": { \"title\"", "quotas.Carts", 54, "a to z" },
};

static void
mistakes_are_named(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		const struct mistake *m = &mistakes[i];
		const char *text = changed(a, m->from, m->to);
		const struct model *model = NULL;
		struct err err = ERR_INIT;
		enum rc rc = model_compile(a, slice_of(text), &model, &err);

		if (m->reason == NULL) { /* nothing wrong with it */
			assert_int_equal(rc, RC_OK);
			continue;
		}
		if (rc != RC_INVALID_VALUE || strcmp(err.path, m->path) != 0 ||
			strncmp(err.detail, arena_printf(a, "line %u: ", m->line),
				strlen(arena_printf(a, "line %u: ", m->line))) != 0 ||
			strstr(err.detail, m->reason) == NULL)
			fail_msg("%s -> %s\n  gives %s: %s: %s\n  not %s: line %u: ... %s", m->from,
				m->to, rc_name(rc), err.path, err.detail, m->path, m->line,
				m->reason);
		assert_null(model);
	}
	arena_free(a);
}

static void
too_much_is_refused(void **state)
{
	struct arena *a = arena_new();
	struct buf b = BUF_INIT;
	const struct model *m;
	struct err err = ERR_INIT;
	const char *to;

	(void)state;
	for (unsigned i = 0; i < PERM_MAX; i++)
		buf_printf(&b, "\"x.p%u\": \"d\",", i);
	to = arena_printf(a, "%.*s \"till.open\": \"open", SLICE_ARG(buf_as_slice(&b)));
	assert_int_equal(
		model_compile(a, slice_of(changed(a, "\"till.open\": \"open", to)), &m, &err),
		RC_INVALID_VALUE);
	assert_string_equal(err.path, "permissions");
	buf_clear(&b);
	for (unsigned i = 0; i < MODEL_ROLES_MAX; i++)
		buf_printf(&b, "\"r%u\": { \"title\": \"t\", \"description\": \"d\" },", i);
	to = arena_printf(a, "%.*s \"keeper\": {", SLICE_ARG(buf_as_slice(&b)));
	assert_int_equal(model_compile(a, slice_of(changed(a, "\"keeper\": {", to)), &m, &err),
		RC_INVALID_VALUE);
	assert_non_null(strstr(err.detail, "at most 128"));
	buf_clear(&b);
	while (b.len <= MODEL_FILE_MAX)
		buf_char(&b, ' ');
	assert_int_equal(model_compile(a, buf_as_slice(&b), &m, &err), RC_INVALID_VALUE);
	buf_release(&b);
	arena_free(a);
}

/* ---- What comes of a good one ---- */

static struct arena *arena;
static const struct model *shop;

static int
up(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	arena = arena_new();
	if (model_compile(arena, slice_of(base), &shop, &err) == RC_OK)
		return 0;
	(void)fprintf(stderr, "%s: %s\n", err.path, err.detail);
	return -1;
}

static int
down(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static const struct model_role *
role(const char *path)
{
	const struct model_role *r = model_role_by_path(shop, slice_of(path));

	if (r == NULL)
		fail_msg("no role %s", path);
	return r;
}

static uint16_t
perm(const char *name)
{
	const struct permission *p = model_permission(shop, slice_of(name));

	if (p == NULL)
		fail_msg("no permission %s", name);
	return p->id;
}

static void
facts_are_kept(void **state)
{
	(void)state;
	assert_int_equal(shop->version, 3);
	assert_true(slice_eq(shop->name, SLICE("shop")));
	assert_true(slice_eq(shop->text, slice_of(base)));
	assert_int_equal(shop->permission_count, PERM_BUILTIN + 3);
	assert_int_equal(perm("member.role"), PERM_MEMBER_ROLE);
	assert_true(shop->kinds[ORG_PERSONAL].at_signup);
	assert_false(shop->kinds[ORG_PERSONAL].deletable);
	assert_true(shop->kinds[ORG_COMPANY].deletable);
	assert_int_equal(shop->kinds[ORG_PERSONAL].limits[LIMIT_MEMBERS], 1);
	assert_int_equal(shop->kinds[ORG_PERSONAL].limits[LIMIT_TEAMS], 0);
	assert_int_equal(shop->kinds[ORG_COMPANY].limits[LIMIT_MEMBERS], 20);
	assert_int_equal(shop->kinds[ORG_COMPANY].limits[LIMIT_TOKENS], 1000);
	assert_int_equal(model_quota(shop, SLICE("carts"))->normal[ORG_PERSONAL], 1);
	assert_int_equal(model_quota(shop, SLICE("carts"))->normal[ORG_COMPANY], 5);
	assert_true(shop->kinds[ORG_PERSONAL].quota_per_person);
	assert_ptr_equal(shop->kinds[ORG_COMPANY].creator, role("org/boss"));
	assert_ptr_equal(shop->by_default[SCOPE_ORG], role("org/clerk"));
	assert_ptr_equal(shop->by_default[SCOPE_WORKSPACE], role("workspace/helper"));
	assert_ptr_equal(shop->by_creation[SCOPE_WORKSPACE], role("workspace/keeper"));
	assert_null(shop->by_default[SCOPE_PROJECT]);
	assert_int_equal(shop->custom_roles, AT_ORG | AT_WORKSPACE);
	assert_false(shop->external_invitations);
	assert_int_equal(shop->invitations[INVITE_BY_EMAIL].expires, 12 * 3600);
	assert_false(shop->invitations[INVITE_BY_LINK].allowed);
	assert_true(role("workspace/keeper")->teams);
	assert_false(role("org/clerk")->teams);
	assert_true(role("org/boss")->guarded);
	assert_null(model_role(shop, SCOPE_ORG, SLICE("counter")));
	assert_ptr_equal(model_assignment(shop, SLICE("counter")), role("assignment/counter"));
	assert_null(model_role_by_path(shop, SLICE("org/nobody")));
	assert_null(model_permission(shop, SLICE("till")));
}

/* ---- Checks ---- */

struct held {
	const char *role;
	bool covers;
};

struct question {
	struct held held[3];
	enum org_kind kind;
	const char *perm;
	enum scope_kind at;
	bool own;
	enum model_reason reason;
	const char *text;
};

static const struct question questions[] = {
	{ { { "org/boss", true } }, ORG_COMPANY, "org.delete", SCOPE_ORG, false, REASON_GRANTED,
		"\"org.delete\" is granted by org/boss" },
	{ { { "org/boss", true } }, ORG_PERSONAL, "org.delete", SCOPE_ORG, false, REASON_OFF,
		"permission \"org.delete\" is missing: nobody has it in a personal org" },
	{ { { "org/boss", true } }, ORG_PERSONAL, "member.edit", SCOPE_ORG, true, REASON_OFF,
		NULL },
	{ { { "org/chief", true } }, ORG_COMPANY, "org.delete", SCOPE_ORG, false, REASON_MISSING,
		"permission \"org.delete\" is missing" },
	{ { { "org/chief", true } }, ORG_COMPANY, "org.view", SCOPE_ORG, false, REASON_GRANTED,
		NULL },
	{ { { "org/chief", true } }, ORG_COMPANY, "shelf.fill", SCOPE_WORKSPACE, false,
		REASON_GRANTED, "\"shelf.fill\" is granted by org/chief, as workspace/keeper" },
	{ { { "org/chief", true } }, ORG_COMPANY, "shelf.fill", SCOPE_PROJECT, false,
		REASON_GRANTED, NULL },
	{ { { "org/chief", true } }, ORG_COMPANY, "shelf.fill", SCOPE_ORG, false, REASON_NOT_HERE,
		"permission \"shelf.fill\" is missing: it is not asked for at a scope of kind "
		"org" },
	{ { { "org/chief", true } }, ORG_COMPANY, "workspace.members", SCOPE_ORG, false,
		REASON_MISSING, NULL },
	{ { { "org/chief", true } }, ORG_COMPANY, "workspace.members", SCOPE_WORKSPACE, false,
		REASON_GRANTED, NULL },
	{ { { "org/clerk", true } }, ORG_COMPANY, "till.open", SCOPE_ORG, true, REASON_GRANTED,
		"\"own:till.open\" is granted by org/clerk" },
	{ { { "org/clerk", true } }, ORG_COMPANY, "till.open", SCOPE_ORG, false, REASON_OWN_ONLY,
		"permission \"till.open\" is missing: org/clerk has it for own things only" },
	{ { { "org/clerk", true } }, ORG_COMPANY, "till.open", SCOPE_PROJECT, true, REASON_GRANTED,
		NULL },
	{ { { "org/clerk", true } }, ORG_COMPANY, "till.count", SCOPE_ORG, true, REASON_GRANTED,
		"\"own:till.count\" is granted by org/clerk, as assignment/basic" },
	{ { { "org/boss", true } }, ORG_COMPANY, "till.count", SCOPE_ORG, true, REASON_GRANTED,
		"\"till.count\" is granted by org/boss" },
	{ { { "org/clerk", true }, { "assignment/counter", true } }, ORG_COMPANY, "till.count",
		SCOPE_ORG, false, REASON_GRANTED,
		"\"till.count\" is granted by assignment/counter" },
	{ { { "org/clerk", true }, { "workspace/helper", true } }, ORG_COMPANY, "shelf.fill",
		SCOPE_PROJECT, false, REASON_GRANTED, NULL },
	{ { { "org/clerk", true }, { "workspace/helper", false } }, ORG_COMPANY, "shelf.fill",
		SCOPE_PROJECT, false, REASON_ELSEWHERE,
		"permission \"shelf.fill\" is missing: workspace/helper is held elsewhere" },
	{ { { "workspace/helper", false }, { "workspace/helper", true } }, ORG_COMPANY,
		"shelf.fill", SCOPE_WORKSPACE, false, REASON_GRANTED, NULL },
	{ { { "workspace/keeper", false }, { "org/clerk", true } }, ORG_COMPANY, "project.view",
		SCOPE_WORKSPACE, false, REASON_ELSEWHERE, NULL },
	{ { { "workspace/keeper", false }, { "org/clerk", true } }, ORG_COMPANY, "workspace.members",
		SCOPE_ORG, false, REASON_ELSEWHERE, NULL },
	{ { { NULL, false } }, ORG_COMPANY, "org.view", SCOPE_ORG, true, REASON_MISSING, NULL },
	{ { { "workspace/keeper", true } }, ORG_COMPANY, "org.view", SCOPE_ORG, true,
		REASON_MISSING, NULL },
};

static struct model_subject
subject(const struct held *held, size_t n, enum org_kind kind, struct model_grant *grants)
{
	struct model_subject s = { .model = shop, .kind = &shop->kinds[kind], .grants = grants };

	for (; s.grant_count < n && held[s.grant_count].role != NULL; s.grant_count++)
		grants[s.grant_count] =
			(struct model_grant){ .role = role(held[s.grant_count].role),
				.covers = held[s.grant_count].covers };
	return s;
}

static void
checks_are_decided(void **state)
{
	struct buf text = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		const struct question *q = &questions[i];
		struct model_grant grants[3];
		struct model_subject s = subject(q->held, 3, q->kind, grants);
		struct model_query query = { perm(q->perm), q->at, q->own };
		struct model_answer why;
		bool allowed = model_allows(&s, &query, &why);
		struct permset rights;

		buf_clear(&text);
		model_answer_print(&s, &query, &why, &text);
		if (why.reason != q->reason ||
			(q->text != NULL && !slice_eq(buf_as_slice(&text), slice_of(q->text))))
			fail_msg("question %zu: %s %d: %.*s", i, q->perm, (int)why.reason,
				SLICE_ARG(buf_as_slice(&text)));
		assert_int_equal(allowed, q->reason == REASON_GRANTED);
		assert_int_equal(model_allows(&s, &query, NULL), allowed);
		/* The sum of all rights says the same. */
		model_rights(&s, q->at, &rights);
		assert_int_equal(permset_any(&rights, query.perm) ||
					 (q->own && permset_own(&rights, query.perm)),
			allowed);
	}
	buf_release(&text);
}

static void
a_token_narrows(void **state)
{
	const struct held held[] = { { "org/boss", true } };
	const struct slice patterns[] = { SLICE_INIT("till.open"), SLICE_INIT("own:till.count"),
		SLICE_INIT("shelf.*") };
	struct model_grant grants[1];
	struct model_subject s = subject(held, 1, ORG_COMPANY, grants);
	struct permset within, rights;
	struct model_answer why;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(permset_read(shop, SCOPE_ORG, patterns, 3, &within, &err), RC_OK);
	s.within = &within;
	assert_true(model_allows(
		&s, &(struct model_query){ perm("till.open"), SCOPE_ORG, false }, NULL));
	assert_true(model_allows(
		&s, &(struct model_query){ perm("till.count"), SCOPE_ORG, true }, NULL));
	assert_false(model_allows(
		&s, &(struct model_query){ perm("till.count"), SCOPE_ORG, false }, &why));
	assert_int_equal(why.reason, REASON_TOKEN);
	assert_false(
		model_allows(&s, &(struct model_query){ PERM_ORG_DELETE, SCOPE_ORG, false }, NULL));
	model_rights(&s, SCOPE_ORG, &rights);
	assert_true(permset_any(&rights, perm("till.open")));
	assert_false(permset_any(&rights, perm("till.count")));
	assert_true(permset_own(&rights, perm("till.count")));
	assert_false(permset_any(&rights, perm("shelf.fill")));
	assert_false(permset_any(&rights, PERM_ORG_DELETE));
}

static void
append(void *arg, struct slice pattern)
{
	buf_printf(arg, "%.*s ", SLICE_ARG(pattern));
}

static void
custom_roles_are_looked_at_alike(void **state)
{
	const struct slice wide[] = { SLICE_INIT("till.*"), SLICE_INIT("own:member.edit") };
	const struct slice wrong[] = { SLICE_INIT("till.shut"), SLICE_INIT("bag.*"),
		SLICE_INIT("own:role.*"), SLICE_INIT(""), SLICE_INIT("own:"), SLICE_INIT("*.open"),
		SLICE_INIT("ti*"), SLICE_INIT(".*") };
	const struct held clerk[] = { { "org/clerk", true } }, chief[] = { { "org/chief", true } };
	struct model_grant grants[2];
	struct model_subject s = subject(clerk, 1, ORG_COMPANY, grants);
	struct permset set, other;
	struct err err = ERR_INIT;
	struct buf text = BUF_INIT;

	(void)state;
	assert_int_equal(permset_read(shop, SCOPE_ORG, wide, 2, &set, &err), RC_OK);
	permset_print(shop, &set, append, &text);
	assert_true(slice_eq(buf_as_slice(&text), SLICE("own:member.edit till.open till.count ")));
	grants[s.grant_count++] = (struct model_grant){ .custom = &set, .covers = true };
	assert_true(model_allows(
		&s, &(struct model_query){ perm("till.count"), SCOPE_ORG, false }, NULL));
	s.grant_count = 1;
	/* Beyond what a clerk has, within what a chief has; a chief has all of a keeper in
	 * workspaces only. */
	assert_int_equal(model_may_give_set(&s, SCOPE_ORG, &set, &err), RC_FORBIDDEN);
	assert_non_null(strstr(err.detail, "till."));
	s = subject(chief, 1, ORG_COMPANY, grants);
	assert_int_equal(model_may_give_set(&s, SCOPE_ORG, &set, &err), RC_OK);
	assert_int_equal(permset_read(shop, SCOPE_WORKSPACE,
				 (struct slice[]){ SLICE("workspace.members") }, 1, &other, &err),
		RC_OK);
	assert_int_equal(model_may_give_set(&s, SCOPE_WORKSPACE, &other, &err), RC_OK);
	assert_int_equal(model_may_give_set(&s, SCOPE_ORG, &other, &err), RC_FORBIDDEN);
	grants[0].covers = false;
	assert_int_equal(model_may_give_set(&s, SCOPE_WORKSPACE, &other, &err), RC_FORBIDDEN);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (permset_read(shop, SCOPE_ORG, &wrong[i], 1, &set, &err) != RC_INVALID_VALUE)
			fail_msg("\"%.*s\" is read", SLICE_ARG(wrong[i]));
	assert_int_equal(permset_read(shop, SCOPE_WORKSPACE,
				 (struct slice[]){ SLICE("org.delete") }, 1, &set, &err),
		RC_INVALID_VALUE);
	buf_release(&text);
}

/* ---- Rules ---- */

static void
roles_are_given_by_who_may(void **state)
{
	static const struct {
		struct held held;
		const char *role;
		bool may;
	} rows[] = {
		{ { "org/chief", true }, "org/clerk", true },
		{ { "org/chief", true }, "org/chief", false },
		{ { "org/chief", true }, "org/boss", false },
		{ { "org/chief", true }, "assignment/counter", true },
		{ { "org/chief", true }, "workspace/keeper",
			true },                              /* as the keeper that a chief is */
		{ { "org/boss", true }, "org/clerk", true }, /* included */
		{ { "org/boss", true }, "org/boss", false },
		{ { "org/clerk", true }, "org/clerk", false },
		{ { "org/clerk", true }, "org/chief", false },
		{ { "workspace/keeper", true }, "workspace/keeper", true },
		{ { "workspace/keeper", false }, "workspace/helper",
			false }, /* of another workspace */
		{ { "workspace/helper", true }, "workspace/helper", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct model_grant grant;
		struct model_subject s = subject(&rows[i].held, 1, ORG_COMPANY, &grant);
		struct err err = ERR_INIT;
		enum rc expected = rows[i].may ? RC_OK : RC_FORBIDDEN;

		if (model_may_give(&s, role(rows[i].role), &err) != expected ||
			model_may_take(&s, role(rows[i].role), &err) != expected)
			fail_msg("%s and %s", rows[i].held.role, rows[i].role);
		if (!rows[i].may)
			assert_non_null(strstr(err.detail, rows[i].role));
	}
	assert_int_equal(role_permission(role("org/clerk")), PERM_MEMBER_ROLE);
	assert_int_equal(role_permission(role("assignment/counter")), PERM_ROLE_ASSIGN);
	assert_int_equal(role_permission(role("workspace/helper")), PERM_WORKSPACE_MEMBERS);
	assert_int_equal(custom_role_permission(SCOPE_ORG), PERM_ROLE_ASSIGN);
	assert_int_equal(custom_role_permission(SCOPE_PROJECT), PERM_PROJECT_MEMBERS);
}

static void
give_and_take_can_differ(void **state)
{
	struct arena *a = arena_new();
	const struct model *m;
	struct err err = ERR_INIT;
	const char *text = changed(a, "[\"clerk\", \"assignment/*\"]",
		"{ \"give\": [\"clerk\", \"assignment/counter\"], \"take\": [\"chief\"] }");
	const struct model_role *chief;

	(void)state;
	assert_int_equal(model_compile(a, slice_of(text), &m, &err), RC_OK);
	chief = model_role(m, SCOPE_ORG, SLICE("chief"));
	assert_true(role_set_has(&chief->gives, model_role(m, SCOPE_ORG, SLICE("clerk"))));
	assert_false(role_set_has(&chief->takes, model_role(m, SCOPE_ORG, SLICE("clerk"))));
	assert_true(role_set_has(&chief->takes, chief));
	assert_false(role_set_has(&chief->gives, chief));
	arena_free(a);
}

static void
constraints_hold(void **state)
{
	const struct model_role *clerk = role("org/clerk"), *boss = role("org/boss"),
				*chief = role("org/chief");
	const struct model_role *counter = role("assignment/counter"),
				*basic = role("assignment/basic"), *carried;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(assignment_fits(clerk, counter, &err), RC_OK);
	assert_int_equal(assignment_fits(chief, counter, &err), RC_INVALID_VALUE);
	assert_int_equal(assignment_may_end(clerk, counter, &err), RC_OK);
	assert_int_equal(assignment_may_end(clerk, basic, &err), RC_CONFLICT);
	assert_int_equal(assignment_may_end(chief, basic, &err), RC_OK);
	assert_int_equal(role_fits_team(clerk, &err), RC_INVALID_VALUE);
	assert_int_equal(role_fits_team(counter, &err), RC_OK);

	assert_int_equal(role_count_fits(shop, boss, 1, &err), RC_OK);
	assert_int_equal(role_count_fits(shop, boss, 0, &err), RC_CONFLICT);
	assert_non_null(strstr(err.detail, "at least 1 active member with the role \"org/boss\""));
	assert_int_equal(role_count_fits(shop, boss, 2, &err), RC_CONFLICT);
	assert_non_null(strstr(err.detail, "transfer"));
	assert_int_equal(role_count_fits(shop, clerk, 0, &err), RC_OK);

	assert_int_equal(transfer_fits(shop, boss, clerk, &err), RC_OK);
	assert_int_equal(transfer_fits(shop, chief, clerk, &err), RC_FORBIDDEN);
	assert_int_equal(transfer_fits(shop, boss, boss, &err), RC_CONFLICT);

	assert_int_equal(parent_fits(shop, SCOPE_PROJECT, SCOPE_WORKSPACE, &err), RC_OK);
	assert_int_equal(parent_fits(shop, SCOPE_PROJECT, SCOPE_ORG, &err), RC_INVALID_VALUE);
	assert_int_equal(
		parent_fits(shop, SCOPE_WORKSPACE, SCOPE_WORKSPACE, &err), RC_INVALID_VALUE);

	carried = NULL;
	assert_int_equal(
		invitation_fits(shop, INVITE_BY_EMAIL, &carried, &counter, 1, &err), RC_OK);
	assert_ptr_equal(carried, clerk);
	assert_int_equal(invitation_fits(shop, INVITE_BY_EMAIL, &carried, &basic, 1, &err),
		RC_INVALID_VALUE);
	assert_string_equal(err.path, "assignments");
	carried = chief;
	assert_int_equal(
		invitation_fits(shop, INVITE_BY_EMAIL, &carried, NULL, 0, &err), RC_INVALID_VALUE);
	assert_string_equal(err.path, "role");
	carried = NULL;
	assert_int_equal(
		invitation_fits(shop, INVITE_BY_LINK, &carried, NULL, 0, &err), RC_INVALID_VALUE);
}

/* ---- All that ship ---- */

static void
models_are_found(void **state)
{
	struct arena *a = arena_new();
	const struct model_file more = { "shop.json", slice_of(base) };
	const struct model_set *set;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(models_load(a, &more, 1, &set, &err), RC_OK);
	assert_int_equal(set->count, model_file_count() + 1);
	assert_non_null(model_by_name(set, SLICE("shop")));
	assert_null(model_by_name(set, SLICE("sho")));
	for (size_t i = 0; i < set->count; i++) {
		const struct model *m = set->models[i];

		assert_ptr_equal(model_by_name(set, m->name), m);
		for (size_t p = 0; p < m->permission_count; p++)
			assert_ptr_equal(
				model_permission(m, m->permissions[p].name), &m->permissions[p]);
		for (size_t p = 0; p < m->permission_count; p++)
			assert_int_equal(m->permissions[p].id, p);
		for (size_t p = 0; p < PERM_BUILTIN; p++)
			assert_true(permission_reserved(m->permissions[p].name));
	}
	assert_int_equal(models_load(a, (const struct model_file[]){ more, more }, 2, &set, &err),
		RC_UNIQUENESS);
	assert_int_equal(
		models_load(a, (const struct model_file[]){ { "bad.json", SLICE_INIT("{}") } }, 1,
			&set, &err),
		RC_INVALID_VALUE);
	assert_non_null(strstr(err.detail, "bad.json: line 1: "));
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(facts_are_kept),
		cmocka_unit_test(checks_are_decided),
		cmocka_unit_test(a_token_narrows),
		cmocka_unit_test(custom_roles_are_looked_at_alike),
		cmocka_unit_test(roles_are_given_by_who_may),
		cmocka_unit_test(give_and_take_can_differ),
		cmocka_unit_test(constraints_hold),
		cmocka_unit_test(models_are_found),
	};

	return cmocka_run_group_tests(tests, up, down);
}
