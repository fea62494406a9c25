#include "daemon/directory/edit.h"

#include "base/banned.h"

enum rc
edit_decode(const struct directory *d, struct arena *a, enum dialect dialect, const json_t *body, struct edit *e,
	struct err *err)
{
	struct read_options options = { .dialect = dialect };

	switch (e->op) {
	case OP_CREATE:
	case OP_REPLACE:
		return resource_read(a, d->schema, e->type, body, &options, &e->in, err);
	case OP_PATCH:
		return patch_read(a, d->schema, e->type, body, &options, &e->patch, err);
	case OP_DELETE:
		break;
	}
	return RC_OK;
}

static struct slice
plain_password(const struct edit *e)
{
	return e->patch != NULL ? patch_password(e->patch) : e->in.password;
}

bool
edit_has_password(const struct edit *e)
{
	return plain_password(e).len > 0;
}

enum rc
edit_hash(const struct directory *d, struct arena *a, const struct password_cost *cost, struct edit *e,
	struct err *err)
{
	struct node *n;
	struct slice phc;
	enum rc rc;

	if ((rc = password_hash(a, plain_password(e), cost, &phc, err)) != RC_OK)
		return rc;
	if (e->patch != NULL) {
		patch_set_password_hash(e->patch, phc);
		return RC_OK;
	}
	n = node_new(a, d->at.user_password, NODE_VALUE);
	n->text = phc;
	node_insert(e->in.root, n);
	e->in.password = (struct slice){ NULL, 0 };
	return RC_OK;
}

enum rc
edit_run(const struct directory *d, struct arena *a, struct orgtx *o, const struct writer *w, struct edit *e,
	struct err *err)
{
	switch (e->op) {
	case OP_CREATE:
		return resource_create(d, o, w, a, e->type, &e->id, &e->in, &e->written, err);
	case OP_REPLACE:
		return resource_replace(d, o, w, a, e->type, &e->id, &e->pre, &e->in, &e->written, err);
	case OP_PATCH:
		return resource_patch(d, o, w, a, e->type, &e->id, &e->pre, e->patch, &e->written, err);
	case OP_DELETE:
		break;
	}
	return resource_delete(d, o, w, a, e->type, &e->id, &e->pre, err);
}
