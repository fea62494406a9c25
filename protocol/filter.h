/* SCIM filters (RFC 7644 section 3.4.2.2): text to tree, tree against a resource.
 *
 * A filter is parsed against one resource type, so every attribute in it is resolved and every
 * literal is of the attribute's type. What the grammar allows but makes no sense (gt on a boolean,
 * a filter on password, an unknown attribute) is refused with INVALID_FILTER and a detail that
 * names it. */
#ifndef PROTOCOL_FILTER_H
#define PROTOCOL_FILTER_H

#include "protocol/scim.h"
#include "schema/node.h"

enum filter_kind {
	FILTER_AND,     /* left, right */
	FILTER_OR,      /* left, right */
	FILTER_NOT,     /* left */
	FILTER_COMPARE, /* attr op value */
	FILTER_PRESENT, /* attr pr; `attr eq null` is NOT of it, `attr ne null` is it */
	FILTER_ELEMENT, /* attr[left]: one element that meets left, whose attributes are attr's
			   subs. `emails[type eq "work"].value eq "x"` is parsed as emails[type eq
			   "work" and value eq "x"] */
};

enum filter_op {
	FILTER_EQ,
	FILTER_NE,
	FILTER_CO,
	FILTER_SW,
	FILTER_EW,
	FILTER_GT,
	FILTER_GE,
	FILTER_LT,
	FILTER_LE,
};

struct filter {
	enum filter_kind kind;
	enum filter_op op;
	bool by_id; /* COMPARE: `members.value eq "..."` or groups.value: a look-up of one edge */
	const struct attr *attr; /* the leaf; a complex one without sub-attribute is already
				    replaced by its value sub-attribute in comparisons */
	struct filter *left, *right;
	const struct node *value; /* COMPARE: the literal as a value of attr, never NULL */
	struct slice prepared; /* COMPARE of texts: the literal in comparable form (text_prepare) */
	const struct resource_type *type; /* that it was parsed for; NULL inside a PATCH path */
	size_t terms;                     /* comparisons in it and below: what one match costs */
};

enum { FILTER_DEPTH_MAX = 64, FILTER_LENGTH_MAX = 8192, FILTER_TERMS_MAX = 256 };

/* text is the decoded query parameter. tolerant takes bare literals, "True"/"False" for booleans,
 * missing blanks around parentheses and before a quote, `emails[..].value eq ..`, a single complex
 * attribute for its value (`manager eq "id"`), an extension's attribute without its URN. The tree
 * lives in the arena and points into text. */
enum rc filter_parse(struct arena *a, const struct schema_set *set,
	const struct resource_type *type, struct slice text, enum dialect dialect,
	struct filter **out, struct err *err) MUSTCHECK;

/* The inside of a value path, `type eq "work"`, against the subs of attr. For an attribute of
 * simple values the name `value` stands for the value itself. */
enum rc filter_parse_element(struct arena *a, const struct attr *attr, struct slice text,
	enum dialect dialect, struct filter **out, struct err *err) MUSTCHECK;

/* An attribute by its path, as attr_find(); in DIALECT_TOLERANT an extension's attribute may be
 * named without the URN (`manager`). The second: below a complex attribute, `manager.value` or
 * `givenName`. NULL when there is none. */
const struct attr *path_attr(
	const struct resource_type *type, struct slice path, enum dialect dialect);
const struct attr *path_attr_below(const struct attr *complex, struct slice path);

/* Values that are not in the tree: the caller's edges. */
struct filter_source {
	void *ctx;
	/* The elements of a computed attribute (members, groups) of the resource, as a NODE_LIST or
	 * NULL when it has none; asked for at most once in a match. */
	const struct node *(*load)(void *ctx, const struct attr *attr);
	/* Whether the computed attribute has an element with this value (an id), or with id.p NULL
	 * any element at all: spares loading a long list. */
	bool (*has)(void *ctx, const struct attr *attr, struct slice id);
};

/* root: record_unpack()'s tree. scratch: an arena for prepared texts, cleared by the caller. source
 * may be NULL when the filter names no computed attribute (which then counts as absent). */
bool filter_match(const struct filter *f, const struct node *root,
	const struct filter_source *source, struct arena *scratch);

/* element is one value of the attribute that the filter was parsed for. */
bool filter_match_element(
	const struct filter *f, const struct node *element, struct arena *scratch);

/* Whether the filter names attr or something below it. */
bool filter_names(const struct filter *f, const struct attr *attr);

#endif
