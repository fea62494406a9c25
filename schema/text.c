#include "schema/text.h"

#include <stdlib.h>

#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/banned.h"

static bool
is_ascii(struct slice s)
{
	unsigned char seen = 0;

	for (size_t i = 0; i < s.len; i++)
		seen |= (unsigned char)s.p[i];
	return seen < 0x80;
}

bool
text_valid(struct slice s)
{
	if (s.len == 0)
		return true;
	return memchr(s.p, '\0', s.len) == NULL && u8_check((const uint8_t *)s.p, s.len) == NULL;
}

static struct slice
fold_ascii(struct arena *a, struct slice s)
{
	size_t i = 0;
	char *to;

	while (i < s.len && (s.p[i] < 'A' || s.p[i] > 'Z'))
		i++;
	if (i == s.len)
		return s;
	to = arena_alloc(a, s.len + 1);
	memcpy(to, s.p, i);
	for (; i < s.len; i++)
		to[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]);
	to[s.len] = '\0';
	return (struct slice){ to, s.len };
}

struct slice
text_fold(struct arena *a, struct slice s)
{
	struct slice out;
	uint8_t *folded;
	size_t n;

	if (is_ascii(s))
		return fold_ascii(a, s);
	folded = u8_casefold((const uint8_t *)s.p, s.len, NULL, UNINORM_NFC, NULL, &n);
	if (folded == NULL) /* not UTF-8: the doors let none in */
		return s;
	out = arena_dup(a, (struct slice){ (const char *)folded, n });
	free(folded);
	return out;
}

/* What PRECIS refuses is folded, so that a search for a piece of a name finds it; but where folding
 * makes a name of it (KELVIN SIGN becomes "k"), the text stays as it is, for it must equal none. */
static struct slice
prepare_username(struct arena *a, struct slice s)
{
	struct slice out, folded;

	if (text_username(a, s, &out, NULL) == RC_OK)
		return out;
	folded = text_fold(a, s);
	return text_username(a, folded, &out, NULL) == RC_OK ? s : folded;
}

struct slice
text_prepare(struct arena *a, const struct attr *attr, struct slice s)
{
	if (attr->prepare == PREPARE_USERNAME)
		return prepare_username(a, s);
	return attr->case_exact || attr->prepare == PREPARE_PASSWORD ? s : text_fold(a, s);
}

/* ---- Base64 ---- */

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

bool
base64_decode(struct arena *a, struct slice text, struct slice *bytes)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t pad = 0, n = 0;
	char *to;

	while (pad < 2 && text.len > 0 && text.p[text.len - 1] == '=') {
		text.len--;
		pad++;
	}
	if (text.len % 4 == 1 || (pad > 0 && (text.len + pad) % 4 != 0))
		return false;
	to = arena_alloc(a, text.len / 4 * 3 + 4);
	for (size_t i = 0; i < text.len; i++) {
		int value = base64_value(text.p[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[n++] = (char)(bits >> have & 0xFF);
		}
	}
	/* Bits that stand for nothing must be 0, or one value would have several texts (RFC 4648
	 * section 3.5). */
	if ((bits & ((1u << have) - 1)) != 0)
		return false;
	*bytes = (struct slice){ to, n };
	return true;
}

struct slice
base64_encode(struct arena *a, struct slice bytes)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *to = arena_alloc(a, (bytes.len + 2) / 3 * 4 + 1);
	size_t n = 0;

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
		uint32_t bits = 0;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < have ? (unsigned char)bytes.p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			to[n++] = k <= have ? alphabet[bits >> (18 - 6 * k) & 63] : '=';
	}
	to[n] = '\0';
	return (struct slice){ to, n };
}
