/* The data model as tables: resource types, schemas and attributes (RFC 7643 sections 2, 6 and 7).
 *
 * The tables are made once, at start, from the JSON files in schema/data/ (embedded in the
 * library). They are SCIM schema JSON with a few members of our own, all starting with "$", that
 * say how an attribute is stored (schema/load.c lists them); those are not published. Everything
 * that validates, filters, patches, projects, indexes and prints is written over these tables, so
 * that a new attribute or resource type is a change of data.
 *
 * Tables are constant after schema_load() and may be read by all threads. */
#ifndef SCHEMA_SCHEMA_H
#define SCHEMA_SCHEMA_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

enum attr_type {
	ATTR_STRING,
	ATTR_BOOLEAN,
	ATTR_INTEGER,
	ATTR_DECIMAL,
	ATTR_DATETIME,
	ATTR_BINARY,
	ATTR_REFERENCE,
	ATTR_COMPLEX,
};

enum attr_mutability { ATTR_READ_WRITE, ATTR_READ_ONLY, ATTR_IMMUTABLE, ATTR_WRITE_ONLY };
enum attr_returned { RETURNED_DEFAULT, RETURNED_ALWAYS, RETURNED_NEVER, RETURNED_REQUEST };
enum attr_uniqueness { UNIQUE_NONE, UNIQUE_SERVER, UNIQUE_GLOBAL };

/* Where the value lives. "$source" in the data; fields by default. */
enum attr_source {
	SOURCE_FIELDS,  /* in the record's fields */
	SOURCE_HEADER,  /* made from the record's header: id, schemas, meta.* */
	SOURCE_SPACE,   /* in the fields, one value for each connection's space: externalId */
	SOURCE_MEMBERS, /* edges from a group to its members: Group.members */
	SOURCE_GROUPS,  /* edges from a member to its groups: User.groups */
};

/* How a text is prepared before it is compared or stored. "$prepare" in the data. */
enum attr_prepare {
	PREPARE_NONE,     /* by caseExact: as it is, or folded (schema/text.h) */
	PREPARE_USERNAME, /* PRECIS UsernameCaseMapped (RFC 8265 section 3.3) */
	PREPARE_PASSWORD, /* PRECIS OpaqueString (RFC 8265 section 4.2), then hashed */
};

enum { ATTR_ID_MAX = 1024 }; /* attribute ids are below this: a projection is a set of bits */

/* How a connection's requests are read. docs/SCIM.md lists what each one takes. */
enum dialect {
	DIALECT_TOLERANT, /* what real clients send */
	DIALECT_STRICT,   /* RFC 7643 and 7644 to the letter */
	DIALECT_INTEROP,  /* draft-zollner-scim-interop-profile */
};

struct schema;

struct attr {
	uint16_t id; /* "$id": its name in packed records and index keys, never used again */
	enum attr_type type;
	bool multi, required, case_exact;
	bool indexed;     /* "$index": true: the store keeps an index of its values */
	bool resource_id; /* "$resourceId": true: the text is the id of a resource (members.value,
			     manager.value): a bulkId may stand here */
	bool hidden;      /* "$hidden": true: kept by the server for itself (hashes). No client finds it
			     by name: not in bodies, filters, PATCH paths, attributes lists, /Schemas */
	bool live;        /* "$live": true: what a client reads is made at that time (with the clock, from
			     tables), so an index holds what was stored, for the server alone: no
			     filter nor sort goes by it */
	uint32_t max;     /* "$max": longest text in bytes; 0: as protocol/scim_read.h says */
	enum attr_mutability mutability;
	enum attr_returned returned;
	enum attr_uniqueness uniqueness;
	enum attr_source source; /* sub-attributes have their parent's */
	enum attr_prepare prepare;
	struct slice name;     /* "userName"; for an extension's container its URN */
	struct slice description;
	struct slice json_key; /* "\"userName\":" */
	const struct schema
		*schema; /* that defines it; NULL for a root and the common attributes */
	const struct attr
		*parent; /* the complex attribute around it, up to the type's root; each type
			    has its own copy of the common attributes, with ids of their own */
	const struct attr *const *subs; /* of a complex one, in the order they are printed */
	size_t sub_count;
	const struct slice *canonical; /* canonicalValues */
	size_t canonical_count;
	const struct slice *refs; /* referenceTypes */
	size_t ref_count;
	const struct attr *made_ref; /* of a complex one: its readOnly "$ref", which is not stored but
					printed from `value` and the name of its resource type, in
					`type` or alone in referenceTypes; NULL: none */
	const struct attr *ref_value, *ref_type; /* those two, with made_ref; ref_type may be NULL */
	uint64_t bits[ATTR_ID_MAX / 64]; /* itself and all below it */
};

/* Where a resource type lives. "$base" in the data: "org", "platform" or "both". */
enum {
	BASE_ORG = 1,      /* /orgs/{key}/scim/v2 */
	BASE_PLATFORM = 2, /* /scim/v2 */
	BASE_BOTH = 3,
};

struct schema {
	struct slice urn, name, description;
	unsigned bases; /* where a type uses it; both for the schemas of the protocol itself */
	struct slice json; /* text of the Schema resource without meta, not closed:
			      `{"schemas":…,"attributes":[…]` */
	struct slice
		json_interop; /* the same as DIALECT_INTEROP publishes it ("$dialect": "interop") */
	const struct attr *const *attrs; /* without the common ones */
	size_t attr_count;
};

struct extension {
	const struct schema *schema;
	const struct attr *container; /* the complex attribute named by the URN, below the root */
	bool required;
};

struct resource_type {
	uint8_t code;          /* in record ids and index keys: 1 User, 2 Group; "$code" */
	unsigned bases;        /* BASE_ORG | BASE_PLATFORM */
	bool in_root;          /* "$root": true: queries of the base itself find it */
	struct slice name;     /* "User"; also its id */
	struct slice endpoint; /* "/Users" */
	struct slice description;
	const struct schema *core;
	const struct extension *extensions;
	size_t extension_count;
	struct slice json; /* text of the ResourceType resource without meta, not closed */

	/* The root: a complex attribute whose subs are the common attributes, the core schema's
	 * attributes and one container for each extension. A resource is one value of it. */
	const struct attr *root;
	const struct attr *id, *external_id, *schemas, *meta;
	const struct attr *meta_type, *meta_created, *meta_modified, *meta_location, *meta_version;
};

/* Stored: never changed, never used again. */
enum {
	TYPE_USER = 1,
	TYPE_GROUP = 2,
	TYPE_WORKSPACE = 3,
	TYPE_PROJECT = 4,
	TYPE_ROLE = 5,
	TYPE_ASSIGNMENT = 6,
	TYPE_INVITATION = 7,
	TYPE_CONNECTION = 8,
	TYPE_TOKEN = 9,
	TYPE_SETTINGS = 10,
	TYPE_ORGANIZATION = 11,
	TYPE_PERSON = 12,
	TYPE_CERTIFICATE = 13,
	TYPE_QUOTA = 14,
	TYPE_AUDIT_EVENT = 15,
	TYPE_COUNT = 16 /* codes are below this */
};

struct schema_set {
	const struct resource_type *const *types; /* in the order they are published: User, Group, … */
	size_t type_count;
	const struct resource_type *by_code[TYPE_COUNT];
	const struct schema *const *schemas; /* all, in the order they are published */
	size_t schema_count;
	const struct attr *by_id[ATTR_ID_MAX]; /* NULL where no attribute has the id */
};

/* Compiles the embedded files. Everything lives in the arena, which must outlive the set. A mistake
 * in the data is an error that names file and attribute. */
enum rc schema_load(struct arena *a, const struct schema_set **out, struct err *err) MUSTCHECK;

/* By code; NULL when there is none. */
const struct resource_type *schema_type(const struct schema_set *set, uint8_t code);

/* By endpoint segment ("Users", case-exact) or name ("User"). */
const struct resource_type *schema_type_by_endpoint(
	const struct schema_set *set, struct slice segment);
const struct resource_type *schema_type_by_name(const struct schema_set *set, struct slice name);

/* By URN, ASCII case-insensitive (RFC 7643 section 3: URIs of schemas compare without case). */
const struct schema *schema_by_urn(const struct schema_set *set, struct slice urn);

/* A direct sub-attribute by name, ASCII case-insensitive (RFC 7643 section 2.1); NULL when none.
 * This and attr_find() are for names that clients say: they do not find what is hidden. */
const struct attr *attr_sub(const struct attr *complex, struct slice name);

/* An attribute by its full path in the notation of RFC 7644 section 3.10: "userName",
 * "name.givenName", "urn:…:User:userName", "urn:…:enterprise:2.0:User:manager.displayName" (also
 * with a dot behind the URN, as Entra writes it), an extension's URN alone. Known URNs are matched
 * first, then the rest is split. NULL when the type has no such attribute; the core schema's URN
 * alone is none. */
const struct attr *attr_find(const struct resource_type *type, struct slice path);

/* An attribute by names with dots between, from the root: the server's own look-up, which finds
 * hidden ones too. An extension is named by its container first: attr_own(ext->container, ...). */
const struct attr *attr_own(const struct attr *root, struct slice path);

/* The path of an attribute for messages and for `attributes`: "name.givenName",
 * "urn:…:User:department". */
struct slice attr_path(struct arena *a, const struct attr *attr);

#endif
