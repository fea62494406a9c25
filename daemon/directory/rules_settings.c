/* The org's settings: what is shown and checked elsewhere follows them in the same transaction. */
#include <arpa/inet.h>
#include <sys/random.h>

#include "daemon/directory/form.h"
#include "daemon/directory/organization.h"
#include "daemon/directory/rules.h"
#include "daemon/dns_txt.h"
#include "protocol/json.h"

#include "base/banned.h"

enum { POLICIES_MAX = 256 * 1024, DOMAINS_MAX = 100, NAMESERVERS_MAX = 16, CHALLENGE_BYTES = 20 };

static size_t
elements(const struct node *list)
{
	size_t n = 0;

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		n++;
	return n;
}

/* ---- Domains ---- */

static struct slice
new_challenge(struct arena *a)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t random[CHALLENGE_BYTES];
	char *out = arena_alloc(a, CHALLENGE_BYTES);

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort();
	for (size_t i = 0; i < CHALLENGE_BYTES; i++)
		out[i] = digits[random[i] & 31];
	return (struct slice){ out, CHALLENGE_BYTES };
}

static const struct node *
domain_named(const struct deed *x, const struct node *list, struct slice name)
{
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		if (slice_eq(tree_text(e, x->d->at.settings_domain), name))
			return e;
	return NULL;
}

/* What is known of a domain is carried over; a new one gets a challenge. What a client says of
 * verification counts for nothing. */
static enum rc
check_domains(struct deed *x, struct err *err)
{
	const struct attr *attr = x->d->at.settings_domains;
	const struct node *was = node_child(x->old_root, attr), *wish = node_child(x->root, attr);
	struct node *list;

	if (wish == NULL)
		return RC_OK;
	if (elements(wish) > DOMAINS_MAX)
		return fail(err, RC_TOO_LARGE, "domains", "at most %d domains are allowed", DOMAINS_MAX);
	list = node_new(x->arena, attr, NODE_LIST);
	for (const struct node *e = wish->child; e != NULL; e = e->next) {
		const struct node *had;
		struct node *has;
		struct slice name;
		enum rc rc = dns_domain_normalize(x->arena, "domains.value",
			tree_text(e, x->d->at.settings_domain), &name, err);

		if (rc != RC_OK)
			return rc;
		if (domain_named(x, list, name) != NULL)
			continue;
		had = domain_named(x, was, name);
		has = had != NULL ? node_copy(x->arena, had) : node_new(x->arena, attr, NODE_OBJECT);
		if (had == NULL) {
			tree_set_text(x->arena, has, x->d->at.settings_domain, name);
			tree_set_bool(x->arena, has, x->d->at.settings_domain_verified, false);
			tree_set_text(x->arena, has, x->d->at.settings_domain_challenge,
				new_challenge(x->arena));
		}
		node_append(list, has);
	}
	tree_clear(x->root, attr);
	node_insert(x->root, list);
	return RC_OK;
}

/* ---- The rest ---- */

static enum rc
check_policies(struct deed *x, struct err *err)
{
	struct slice was = tree_text(x->old_root, x->d->at.settings_policies);
	struct slice now = tree_text(x->root, x->d->at.settings_policies);
	const struct node *version = tree_value(x->old_root, x->d->at.settings_policies_version);
	struct err why = ERR_INIT;
	json_t *ignored;

	if (slice_eq(was, now))
		return RC_OK;
	if (now.len > POLICIES_MAX)
		return fail(err, RC_TOO_LARGE, "policies", "has %zu bytes, at most %d are allowed", now.len,
			POLICIES_MAX);
	if (now.len > 0 && json_read(x->arena, now, &ignored, &why) != RC_OK)
		return fail(err, RC_INVALID_VALUE, "policies", "is no JSON object: %s", why.detail);
	tree_set_i64(x->arena, x->root, x->d->at.settings_policies_version,
		(version != NULL ? version->integer : 0) + 1);
	return RC_OK;
}

static enum rc
check_dns(struct deed *x, struct err *err)
{
	const struct node *servers = node_child(x->root, x->d->at.settings_nameservers);
	const struct node *domains = node_child(x->root, x->d->at.settings_search_domains);
	unsigned char address[sizeof(struct in6_addr)];
	struct slice ignored;

	if (elements(servers) > NAMESERVERS_MAX || elements(domains) > DOMAINS_MAX)
		return fail(err, RC_TOO_LARGE, "nameservers", "at most %d nameservers and %d searchDomains are allowed",
			NAMESERVERS_MAX, DOMAINS_MAX);
	for (const struct node *e = servers != NULL ? servers->child : NULL; e != NULL; e = e->next) {
		const char *text = arena_dup(x->arena, e->text).p;

		if (strlen(text) != e->text.len || (inet_pton(AF_INET, text, address) != 1 &&
			inet_pton(AF_INET6, text, address) != 1))
			return fail(err, RC_INVALID_VALUE, "nameservers", "\"%.*s\" is not an IP address",
				SLICE_ARG(slice_clip(e->text, 60)));
	}
	for (const struct node *e = domains != NULL ? domains->child : NULL; e != NULL; e = e->next) {
		enum rc rc = dns_domain_normalize(x->arena, "searchDomains", e->text, &ignored, err);

		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc
check_sso(struct deed *x, struct err *err)
{
	struct slice url = tree_text(x->root, x->d->at.settings_sso_metadata);

	if (url.len == 0 || slice_starts(url, SLICE("https://")))
		return RC_OK;
	return fail(err, RC_INVALID_VALUE, "sso.metadataUrl", "must be an https:// address");
}

static enum rc
check(struct deed *x, struct err *err)
{
	enum rc rc;

	if (x->by == NULL)
		return RC_OK;
	if (x->verb != VERB_EDIT)
		return fail(err, RC_METHOD_NOT_ALLOWED, "", "the settings of an org are made and end with it");
	if ((rc = check_domains(x, err)) != RC_OK || (rc = check_policies(x, err)) != RC_OK ||
		(rc = check_dns(x, err)) != RC_OK)
		return rc;
	return check_sso(x, err);
}

static void
after(struct deed *x)
{
	if (x->verb == VERB_EDIT)
		settings_follow(x);
}

/* ---- What follows the settings elsewhere ---- */

static void
put_domains(struct deed *x, struct node *organization)
{
	const struct node *list = node_child(x->root, x->d->at.settings_domains);

	if (node_child(organization, x->d->at.org_domains) != NULL)
		tree_clear(organization, x->d->at.org_domains);
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		if (tree_bool(e, x->d->at.settings_domain_verified, false))
			tree_add_text(x->arena, organization, x->d->at.org_domains,
				tree_text(e, x->d->at.settings_domain));
}

void
settings_follow(struct deed *x)
{
	struct txn *t = orgtx_txn(x->o);
	struct orgtx *platform = orgtx_open(t, ORG_PLATFORM);
	struct deed y = { .d = x->d, .o = platform, .w = x->w, .arena = x->arena, .verb = VERB_EDIT };
	struct slice name = tree_text(x->root, x->d->at.settings_display);
	struct node *root;
	struct record r;
	struct org org;

	if (!org_by_no(t, orgtx_org(x->o), &org))
		return;
	org.external_invitations = tree_bool(x->root, x->d->at.settings_external, org.external_invitations);
	org.connections_manage_guarded = tree_bool(x->root, x->d->at.settings_guarded, false);
	if (name.len > 0 && name.len <= NAME_MAX_BYTES) {
		memcpy(org.name, name.p, name.len);
		org.name[name.len] = '\0';
	}
	org_put(t, &org);
	if (org.row == 0 || !record_get(platform, org.row, &r))
		return;
	root = deed_tree(&y, &r);
	tree_set_text(x->arena, root, x->d->at.org_display, slice_of(org.name));
	put_domains(x, root);
	if (node_equal(root, deed_tree(&y, &r)))
		return;
	deed_replace(&y, org.row, root, change_begin(platform, &x->w->actor));
	change_end(platform);
}

const struct rules settings_rules = { .type = TYPE_SETTINGS, .check = check, .after = after };
