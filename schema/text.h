/* Texts: how they are checked, prepared and compared. Unicode is GNU libunistring's. */
#ifndef SCHEMA_TEXT_H
#define SCHEMA_TEXT_H

#include "schema/schema.h"

/* Well-formed UTF-8 without NUL. */
bool text_valid(struct slice s);

/* The form in which texts that are not caseExact compare: case-folded, NFC. ASCII takes a fast
 * path; the result may be s itself. */
struct slice text_fold(struct arena *a, struct slice s);

/* RFC 8265 section 3.3, UsernameCaseMapped, for each of the userparts that single spaces separate
 * (section 3.1). The result is the form that compares. Errors name the rule that the text breaks. */
enum rc text_username(
	struct arena *a, struct slice s, struct slice *out, struct err *err) MUSTCHECK;

/* RFC 8265 section 4.2, OpaqueString. */
enum rc text_password(
	struct arena *a, struct slice s, struct slice *out, struct err *err) MUSTCHECK;

/* The comparable form of a text of attr: by its preparation, else by caseExact. A userName that
 * PRECIS refuses is folded (it can equal no stored one). */
struct slice text_prepare(struct arena *a, const struct attr *attr, struct slice s);

/* xsd:dateTime with date and time (RFC 7643 section 2.3.5), offset and fraction optional (no
 * offset: UTC), to ticks of 100 ns since 1970; years 0001 to 9999; digits beyond the seventh are
 * cut. */
bool datetime_parse(struct slice s, int64_t *ticks);

enum { DATETIME_MAX = 32 };

/* UTC with Z; the fraction without trailing zeros, at least milliseconds when there is one. Returns
 * the length. */
size_t datetime_format(int64_t ticks, char out[DATETIME_MAX]);

/* Base64 (RFC 4648 section 4); decoding takes the URL alphabet and missing padding too (RFC 7643
 * section 2.3.6). */
bool base64_decode(struct arena *a, struct slice text, struct slice *bytes);
struct slice base64_encode(struct arena *a, struct slice bytes);

#endif
