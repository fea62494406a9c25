#include "daemon/scim/acts.h"

#include "base/banned.h"

const struct action_route action_routes[] = {
	{ "link", TYPE_USER, BASE_ORG, false, true, act_link },
	{ "unlink", TYPE_USER, BASE_ORG, false, false, act_unlink },
	{ "withdraw", TYPE_ASSIGNMENT, BASE_ORG, false, true, act_withdraw },
	{ "verify", TYPE_SETTINGS, BASE_ORG, false, true, act_verify },
	{ "claim", TYPE_ORGANIZATION, BASE_PLATFORM, true, true, act_claim },
	{ "transfer", TYPE_ORGANIZATION, BASE_PLATFORM, false, true, act_transfer },
	{ "suspend", TYPE_ORGANIZATION, BASE_PLATFORM, false, false, act_suspend },
	{ "resume", TYPE_ORGANIZATION, BASE_PLATFORM, false, false, act_resume },
	{ "rename", TYPE_ORGANIZATION, BASE_PLATFORM, false, true, act_rename },
	{ "restore", TYPE_ORGANIZATION, BASE_PLATFORM, false, false, act_restore },
	{ "release", TYPE_CONNECTION, BASE_ORG, false, false, act_connection_release },
	{ "rotate", TYPE_TOKEN, BASE_ORG | BASE_PLATFORM, false, false, act_rotate },
	{ "migrate", TYPE_ORGANIZATION, BASE_PLATFORM, false, true, act_migrate },
	{ "ca", TYPE_SETTINGS, BASE_ORG, false, false, act_ca },
	{ "revoke", TYPE_CERTIFICATE, BASE_ORG, false, false, act_revoke },
	{ "reserve", TYPE_QUOTA, BASE_ORG, false, true, act_reserve },
	{ "release", TYPE_QUOTA, BASE_ORG, false, true, act_release },
	{ "invite", TYPE_INVITATION, BASE_ORG, true, true, handle_invite },
	{ "resend", TYPE_INVITATION, BASE_ORG, false, false, handle_invitation_resend },
	{ "revoke", TYPE_INVITATION, BASE_ORG, false, false, handle_invitation_revoke },
	{ "accept", TYPE_INVITATION, BASE_PLATFORM, false, false, handle_invitation_accept },
	{ "decline", TYPE_INVITATION, BASE_PLATFORM, false, false, handle_invitation_decline },
	{ .name = NULL },
};

const struct action_route *
action_find(const struct request *rq)
{
	for (const struct action_route *r = action_routes; r->name != NULL; r++)
		if (r->type == rq->type->code && (r->bases & rq->bases) != 0 &&
			r->on_type == (rq->path == PATH_TYPE_ACTION) &&
			slice_eq(slice_of(r->name), rq->action))
			return r;
	return NULL;
}

enum rc
action_body(struct request *rq, json_t **out, struct err *err)
{
	bool empty = rq->x->body.len == 0;
	enum rc rc;

	if (empty && action_find(rq)->needs_body)
		return fail(err, RC_INVALID_SYNTAX, "", "the action \".%.*s\" needs a body",
			SLICE_ARG(slice_clip(rq->action, 64)));
	rc = json_read(rq->arena, empty ? SLICE("{}") : rq->x->body, out, err);
	if (rc == RC_OK && !json_is_object(*out))
		return fail(err, RC_INVALID_SYNTAX, "", "the body of an action must be a JSON object");
	return rc;
}
