/* PRECIS (RFC 8264, RFC 8265) on libunistring 1.0, which knows Unicode 14: what it calls unassigned
 * is refused, so an update of the library admits more names and changes the form of none that was
 * admitted.
 *
 * Two points that RFC 8265 leaves to the implementation:
 * - Case is mapped by Unicode's full toLowercase(), as section 3.3 prefers. U+0130 becomes "i"
 * U+0307, which is not the name "i"; U+03A3 becomes U+03C2 at the end of a word and U+03C3
 * elsewhere, so that a Greek name in capitals is the name as Greeks write it, while "ς" and "σ" in
 * one place stay two names.
 * - The rules are applied until the output is stable; what still changes after three further passes
 * is refused. */
#include "schema/text.h"

#include <stdio.h>
#include <stdlib.h>

#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>
#include <unictype.h>

#include "base/banned.h"

/* A text as code points, in memory of its own that is wiped when it goes: it may be a password. */
struct points {
	uint32_t *p;
	size_t n;
};

static void
points_release(struct points *s)
{
	if (s->p != NULL)
		explicit_bzero(s->p, s->n * sizeof(s->p[0]));
	free(s->p);
	*s = (struct points){ NULL, 0 };
}

#define POINTS __attribute__((cleanup(points_release))) struct points

struct profile {
	bool identifier; /* IdentifierClass; else FreeformClass */
	bool width, lower, spaces, bidi;
	bool secret; /* errors don't tell what stands in the text */
	const char *path, *what;
};

static const struct profile username = { true, true, true, false, true, false, "userName",
	"user name" };
static const struct profile password = { false, false, false, true, false, true, "password",
	"password" };

static enum rc
refuse(const struct profile *pf, const struct points *s, size_t at, const char *why,
	struct err *err)
{
	if (pf->secret)
		return fail(err, RC_INVALID_VALUE, pf->path, "a %s can't hold such a character: %s",
			pf->what, why);
	return fail(err, RC_INVALID_VALUE, pf->path, "a %s can't hold U+%04X here: %s", pf->what,
		(unsigned)s->p[at], why);
}

/* ---- The derived property (RFC 8264 section 8) ---- */

enum property { PVALID, FREE_PVAL, CONTEXT, DISALLOWED, UNASSIGNED };

struct range {
	uint32_t first, last;
	enum property property;
};

/* RFC 5892 section 2.6, which RFC 8264 section 9.6 takes over. */
static const struct range exceptions[] = {
	{ 0x00B7, 0x00B7, CONTEXT },
	{ 0x00DF, 0x00DF, PVALID },
	{ 0x0375, 0x0375, CONTEXT },
	{ 0x03C2, 0x03C2, PVALID },
	{ 0x05F3, 0x05F4, CONTEXT },
	{ 0x0640, 0x0640, DISALLOWED },
	{ 0x0660, 0x0669, CONTEXT },
	{ 0x06F0, 0x06F9, CONTEXT },
	{ 0x06FD, 0x06FE, PVALID },
	{ 0x07FA, 0x07FA, DISALLOWED },
	{ 0x0F0B, 0x0F0B, PVALID },
	{ 0x3007, 0x3007, PVALID },
	{ 0x302E, 0x302F, DISALLOWED },
	{ 0x3031, 0x3035, DISALLOWED },
	{ 0x303B, 0x303B, DISALLOWED },
	{ 0x30FB, 0x30FB, CONTEXT },
};

/* Hangul_Syllable_Type L, V and T (RFC 8264 section 9.9). */
static const struct range old_hangul_jamo[] = {
	{ 0x1100, 0x11FF, DISALLOWED },
	{ 0xA960, 0xA97C, DISALLOWED },
	{ 0xD7B0, 0xD7C6, DISALLOWED },
	{ 0xD7CB, 0xD7FB, DISALLOWED },
};

static const struct range *
range_of(const struct range *table, size_t n, uint32_t c)
{
	for (size_t i = 0; i < n; i++) {
		if (c >= table[i].first && c <= table[i].last)
			return &table[i];
	}
	return NULL;
}

static bool
has_compat(uint32_t c)
{
	uint32_t space[UC_DECOMPOSITION_MAX_LENGTH];
	size_t n = sizeof(space) / sizeof(space[0]);
	uint32_t *nfkc = u32_normalize(UNINORM_NFKC, &c, 1, space, &n);
	bool same = nfkc != NULL && n == 1 && nfkc[0] == c;

	if (nfkc != space)
		free(nfkc);
	return !same;
}

#define IN_CLASS(c, ...) uc_is_general_category_withtable((c), (__VA_ARGS__))

static enum property
property_of(uint32_t c)
{
	const struct range *r;
	bool noncharacter;

	/* First, being the most frequent: no rule that comes before it in the RFC names ASCII. */
	if (c >= 0x21 && c <= 0x7E)
		return PVALID;
	r = range_of(exceptions, sizeof(exceptions) / sizeof(exceptions[0]), c);
	if (r != NULL)
		return r->property;
	noncharacter = uc_is_property_not_a_character(c);
	if (IN_CLASS(c, UC_CATEGORY_MASK_Cn) && !noncharacter)
		return UNASSIGNED;
	if (c == 0x200C || c == 0x200D)
		return CONTEXT;
	if (range_of(old_hangul_jamo, sizeof(old_hangul_jamo) / sizeof(old_hangul_jamo[0]), c) !=
			NULL ||
		noncharacter || uc_is_property_default_ignorable_code_point(c) ||
		IN_CLASS(c, UC_CATEGORY_MASK_Cc))
		return DISALLOWED;
	if (has_compat(c))
		return FREE_PVAL;
	if (IN_CLASS(c, UC_CATEGORY_MASK_Ll | UC_CATEGORY_MASK_Lu | UC_CATEGORY_MASK_Lo |
				UC_CATEGORY_MASK_Nd | UC_CATEGORY_MASK_Lm | UC_CATEGORY_MASK_Mn |
				UC_CATEGORY_MASK_Mc))
		return PVALID;
	if (IN_CLASS(c, UC_CATEGORY_MASK_Lt | UC_CATEGORY_MASK_Nl | UC_CATEGORY_MASK_No |
				UC_CATEGORY_MASK_Me | UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_S |
				UC_CATEGORY_MASK_P))
		return FREE_PVAL;
	return DISALLOWED;
}

/* ---- Context rules (RFC 5892 appendix A) ---- */

/* What a rule may ask about the whole text: gathered once, or a text full of middle dots would cost
 * its square. */
struct context {
	bool kana_or_han, arabic_digits, extended_digits;
};

static bool
is_script(uint32_t c, const char *name)
{
	const uc_script_t *script = uc_script(c);

	return script != NULL && strcmp(script->name, name) == 0;
}

static struct context
context_of(const struct points *s)
{
	struct context out = { false, false, false };

	for (size_t i = 0; i < s->n; i++) {
		uint32_t c = s->p[i];

		out.arabic_digits |= c >= 0x0660 && c <= 0x0669;
		out.extended_digits |= c >= 0x06F0 && c <= 0x06F9;
		if (c >= 0x2E80 && !out.kana_or_han) /* below stands none of these scripts */
			out.kana_or_han = is_script(c, "Hiragana") || is_script(c, "Katakana") ||
					  is_script(c, "Han");
	}
	return out;
}

/* A ZWNJ between letters that would join: (L|D) T* ZWNJ T* (R|D). */
static bool
breaks_a_join(const struct points *s, size_t at)
{
	size_t before = at, after = at + 1;
	int type = UC_JOINING_TYPE_U;

	while (before > 0 && (type = uc_joining_type(s->p[before - 1])) == UC_JOINING_TYPE_T)
		before--;
	if (before == 0 || (type != UC_JOINING_TYPE_L && type != UC_JOINING_TYPE_D))
		return false;
	while (after < s->n && (type = uc_joining_type(s->p[after])) == UC_JOINING_TYPE_T)
		after++;
	return after < s->n && (type == UC_JOINING_TYPE_R || type == UC_JOINING_TYPE_D);
}

static bool
context_allows(const struct points *s, size_t at, const struct context *context)
{
	uint32_t c = s->p[at];
	uint32_t before = at > 0 ? s->p[at - 1] : 0;
	uint32_t after = at + 1 < s->n ? s->p[at + 1] : 0;
	bool virama = before != 0 && uc_combining_class(before) == UC_CCC_VR;

	switch (c) {
	case 0x200C:
		return virama || breaks_a_join(s, at);
	case 0x200D:
		return virama;
	case 0x00B7:
		return before == 'l' && after == 'l';
	case 0x0375:
		return after != 0 && is_script(after, "Greek");
	case 0x05F3:
	case 0x05F4:
		return before != 0 && is_script(before, "Hebrew");
	case 0x30FB:
		return context->kana_or_han;
	default: /* the two sets of Arabic-Indic digits don't mix */
		return c <= 0x0669 ? !context->extended_digits : !context->arabic_digits;
	}
}

static enum rc
check_class(const struct profile *pf, const struct points *s, struct err *err)
{
	struct context context = context_of(s);

	for (size_t i = 0; i < s->n; i++) {
		switch (property_of(s->p[i])) {
		case PVALID:
			break;
		case FREE_PVAL:
			if (pf->identifier)
				return refuse(pf, s, i,
					"only letters, digits and printable ASCII may stand in it "
					"(RFC 8264 section 4.2)",
					err);
			break;
		case CONTEXT:
			if (!context_allows(s, i, &context))
				return refuse(pf, s, i,
					"its neighbours don't allow it (RFC 5892 appendix A)", err);
			break;
		case DISALLOWED:
			return refuse(pf, s, i,
				"controls, invisible and obsolete characters are not allowed "
				"(RFC 8264 section 4)",
				err);
		case UNASSIGNED:
			return refuse(pf, s, i, "it is unassigned in Unicode 14", err);
		}
	}
	return RC_OK;
}

/* ---- The Bidi Rule (RFC 5893 section 2) ---- */

#define BIDI(class) (UINT64_C(1) << UC_BIDI_##class)

static enum rc
check_bidi(const struct profile *pf, const struct points *s, struct err *err)
{
	const uint64_t neutral =
		BIDI(EN) | BIDI(ES) | BIDI(CS) | BIDI(ET) | BIDI(ON) | BIDI(BN) | BIDI(NSM);
	const uint64_t rtl_allowed = BIDI(R) | BIDI(AL) | BIDI(AN) | neutral;
	const uint64_t rtl_end = BIDI(R) | BIDI(AL) | BIDI(EN) | BIDI(AN);
	uint64_t first = 0, last = 0, seen = 0;

	for (size_t i = 0; i < s->n; i++) {
		uint64_t class = UINT64_C(1) << uc_bidi_class(s->p[i]);

		first = i == 0 ? class : first;
		last = class == BIDI(NSM) ? last : class;
		seen |= class;
	}
	if ((seen & (BIDI(R) | BIDI(AL) | BIDI(AN))) == 0)
		return RC_OK;
	/* With right-to-left characters in it, a text that starts left-to-right breaks rule 5. */
	if ((first & (BIDI(R) | BIDI(AL))) == 0)
		return fail(err, RC_INVALID_VALUE, pf->path,
			"a %s with right-to-left letters must begin with one "
			"(RFC 5893 section 2)",
			pf->what);
	if ((seen & ~rtl_allowed) != 0)
		return fail(err, RC_INVALID_VALUE, pf->path,
			"a %s can't mix right-to-left and left-to-right "
			"letters (RFC 5893 section 2)",
			pf->what);
	if ((last & rtl_end) == 0)
		return fail(err, RC_INVALID_VALUE, pf->path,
			"a right-to-left %s must end with a letter or digit "
			"(RFC 5893 section 2)",
			pf->what);
	if ((seen & BIDI(EN)) != 0 && (seen & BIDI(AN)) != 0)
		return fail(err, RC_INVALID_VALUE, pf->path,
			"a right-to-left %s can't mix European and Arabic "
			"digits (RFC 5893 section 2)",
			pf->what);
	return RC_OK;
}

/* ---- The mappings ---- */

/* Fullwidth and halfwidth characters to what they are variants of, each one code point. */
static void
map_width(struct points *s)
{
	ucs4_t to[UC_DECOMPOSITION_MAX_LENGTH];
	int tag;

	for (size_t i = 0; i < s->n; i++) {
		if (s->p[i] >= 0x3000 && uc_decomposition(s->p[i], &tag, to) == 1 &&
			(tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW))
			s->p[i] = to[0];
	}
}

static void
map_spaces(struct points *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (IN_CLASS(s->p[i], UC_CATEGORY_MASK_Zs))
			s->p[i] = ' ';
	}
}

/* Takes what libunistring allocated; as everywhere, no memory ends the process. */
static void
points_replace(struct points *s, uint32_t *p, size_t n)
{
	if (p == NULL)
		abort();
	points_release(s);
	*s = (struct points){ p, n };
}

/* The profile's rules once, in the order of RFC 8265. */
static enum rc
apply_rules(const struct profile *pf, struct points *s, struct err *err)
{
	uint32_t *mapped;
	size_t n;
	enum rc rc;

	if (pf->width)
		map_width(s);
	if ((rc = check_class(pf, s, err)) != RC_OK)
		return rc;
	if (pf->spaces)
		map_spaces(s);
	if (pf->lower) {
		mapped = u32_tolower(s->p, s->n, NULL, NULL, NULL, &n);
		points_replace(s, mapped, n);
	}
	mapped = u32_normalize(UNINORM_NFC, s->p, s->n, NULL, &n);
	points_replace(s, mapped, n);
	return pf->bidi ? check_bidi(pf, s, err) : RC_OK;
}

static enum rc
enforce(const struct profile *pf, struct points *s, struct err *err)
{
	enum rc rc = apply_rules(pf, s, err);

	for (int pass = 0; rc == RC_OK && pass < 3; pass++) {
		POINTS before = { NULL, 0 };
		uint32_t *copy = malloc((s->n + 1) * sizeof(copy[0]));

		if (copy == NULL)
			abort();
		memcpy(copy, s->p, s->n * sizeof(copy[0]));
		before = (struct points){ copy, s->n };
		rc = apply_rules(pf, s, err);
		if (rc == RC_OK && s->n == before.n &&
			memcmp(s->p, before.p, s->n * sizeof(s->p[0])) == 0)
			return RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	return fail(err, RC_INVALID_VALUE, pf->path,
		"the %s has no stable form (RFC 8264 section 7)", pf->what);
}

/* ---- Texts ---- */

struct secret {
	void *p;
	size_t len;
};

static void
secret_wipe(void *arg)
{
	struct secret *secret = arg;

	explicit_bzero(secret->p, secret->len);
}

/* text is well-formed and not empty. */
static enum rc
enforce_text(struct arena *a, const struct profile *pf, struct slice text, struct slice *out,
	struct err *err)
{
	POINTS s = { NULL, 0 };
	struct secret *secret;
	size_t n = 0;
	uint32_t *p;
	uint8_t *bytes;
	char *to;
	enum rc rc;

	p = u8_to_u32((const uint8_t *)text.p, text.len, NULL, &n);
	points_replace(&s, p, n);
	if ((rc = enforce(pf, &s, err)) != RC_OK)
		return rc;
	bytes = u32_to_u8(s.p, s.n, NULL, &n);
	if (bytes == NULL)
		abort();
	to = arena_alloc(a, n + 1);
	memcpy(to, bytes, n);
	to[n] = '\0';
	explicit_bzero(bytes, n);
	free(bytes);
	*out = (struct slice){ to, n };
	if (pf->secret) {
		secret = ARENA_NEW(a, struct secret);
		*secret = (struct secret){ to, n };
		arena_on_free(a, secret_wipe, secret);
	}
	return RC_OK;
}

/* Printable ASCII without SPACE: neither width, NFC nor the Bidi Rule touches it. */
static bool
is_printable_ascii(struct slice s, char first)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < first || s.p[i] > '~')
			return false;
	}
	return true;
}

static struct slice
ascii_lower(struct arena *a, struct slice s)
{
	char *to = arena_alloc(a, s.len + 1);

	for (size_t i = 0; i < s.len; i++)
		to[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]);
	to[s.len] = '\0';
	return (struct slice){ to, s.len };
}

static enum rc
check_text(const struct profile *pf, struct slice s, struct err *err)
{
	if (s.len == 0)
		return fail(err, RC_INVALID_VALUE, pf->path, "a %s can't be empty", pf->what);
	if (!text_valid(s))
		return fail(err, RC_INVALID_VALUE, pf->path,
			"the %s is no well-formed UTF-8 without NUL", pf->what);
	return RC_OK;
}

enum rc
text_username(struct arena *a, struct slice s, struct slice *out, struct err *err)
{
	struct slice rest = s, part, done;
	char *to;
	size_t len = 0, room = 0;
	enum rc rc = check_text(&username, s, err);

	if (rc != RC_OK)
		return rc;
	if (is_printable_ascii(s, '!')) {
		*out = ascii_lower(a, s);
		return RC_OK;
	}
	to = NULL;
	while (slice_split(&rest, ' ', &part)) {
		if (part.len == 0)
			return fail(err, RC_INVALID_VALUE, username.path,
				"the parts of a user name are separated "
				"by single spaces, with none at its ends (RFC 8265 section 3.1)");
		if ((rc = enforce_text(a, &username, part, &done, err)) != RC_OK)
			return rc;
		if (room < len + done.len + 2) {
			char *grown = arena_alloc(a, room = 2 * (len + done.len + s.len) + 2);

			if (len > 0)
				memcpy(grown, to, len);
			to = grown;
		}
		if (len > 0)
			to[len++] = ' ';
		memcpy(to + len, done.p, done.len);
		len += done.len;
	}
	to[len] = '\0';
	*out = (struct slice){ to, len };
	return RC_OK;
}

enum rc
text_password(struct arena *a, struct slice s, struct slice *out, struct err *err)
{
	enum rc rc = check_text(&password, s, err);

	if (rc != RC_OK)
		return rc;
	if (is_printable_ascii(s, ' ')) {
		*out = s;
		return RC_OK;
	}
	return enforce_text(a, &password, s, out, err);
}
