/* Resources to JSON, straight from the packed record; the SCIM messages.
 *
 * This is the way of every answer, so it allocates nothing but the buffer. */
#ifndef PROTOCOL_SCIM_WRITE_H
#define PROTOCOL_SCIM_WRITE_H

#include "base/buf.h"
#include "protocol/scim.h"
#include "schema/record.h"

/* The attributes that an answer holds: a bit for each attribute id (RFC 7644 section 3.9). */
struct projection {
	uint64_t bits[ATTR_ID_MAX / 64];
};

static inline bool
projection_has(const struct projection *p, const struct attr *attr)
{
	return (p->bits[attr->id / 64] >> (attr->id % 64) & 1) != 0;
}

/* What is returned when nothing is asked for. */
void projection_default(const struct resource_type *type, struct projection *out);

/* attributes and excludedAttributes: comma-separated paths as in the query (either may be empty;
 * both is INVALID_VALUE). Naming a complex attribute takes its default sub-attributes; naming a
 * sub-attribute takes its parents too. A URN alone is the whole extension, or all attributes of the
 * core schema; a bare name that only an extension has is that extension's. Attributes that the type
 * does not have are ignored, as is a value filter behind a name (`emails[type eq "work"]` is read
 * as emails). "always" ones stay, "never" ones never come. */
enum rc projection_parse(const struct schema_set *set, const struct resource_type *type,
	struct slice attributes, struct slice excluded, struct projection *out,
	struct err *err) MUSTCHECK;

/* What the answer is seen through. */
struct view {
	const struct schema_set *set;
	const struct projection *projection;
	struct slice base; /* the org's SCIM base address, "https://host/orgs/acme/scim/v2" */
	unsigned bases;    /* which one that is: BASE_ORG or BASE_PLATFORM */
	struct slice platform; /* the platform's base address, "https://host/scim/v2", for references
				  to what lives there; empty: such have no $ref */
	uint32_t space;    /* whose externalId is shown */
};

/* `{"schemas":…` up to the last stored attribute and meta, without members and groups and without
 * the closing brace: those are the caller's to add (edges are not in the record), each as
 * `,"members":[…]`. `schemas` names the core schema and each extension in which the resource has
 * values, whatever the projection. false on a damaged record. */
bool resource_write_open(struct buf *out, const struct view *v, const struct record *r);

/* One element of members or groups: value, $ref, display, type, each as far as the projection has
 * the attribute's subs. attr: the members or groups attribute. type_text: "User", "Group", "direct"
 * or "indirect". ref_type: the resource type of id (NULL: no $ref). An empty display or type_text
 * is left out. */
void edge_write(struct buf *out, const struct view *v, const struct attr *attr,
	const struct uuid *id, const struct resource_type *ref_type, struct slice display,
	struct slice type_text);

/* The resource's address, not quoted: meta.location and the Location header. */
void location_write(struct buf *out, struct slice base, const struct resource_type *type,
	const struct uuid *id);

/* `W/"12"`: the version of a revision, unquoted for JSON by the caller's buf_json_string, as it is
 * in the ETag header. Returns the length. */
enum { VERSION_MAX = 32 };
size_t version_format(uint64_t revision, char out[VERSION_MAX]);

/* An Error message (RFC 7644 section 3.12). The path, when there is one, is put before the detail;
 * err may be NULL or empty: the detail is then a sentence about rc. */
void error_write(struct buf *out, enum rc rc, const struct err *err);

#endif
