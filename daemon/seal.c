/* A blob: version (1) | key id (8) | nonce (12) | ciphertext | tag (16).
 *
 * The nonce is random: NIST SP 800-38D section 8.3 allows 2^32 of these under one key, and a secret
 * is sealed when it is made, not when it is used. Authenticated with it: version, key id, org,
 * purpose. */
#include "daemon/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/banned.h"

enum {
	VERSION = 1,
	KEY_SIZE = 32,
	KEY_ID_SIZE = 8,
	NONCE_SIZE = 12,
	TAG_SIZE = 16,
	HEAD_SIZE = 1 + KEY_ID_SIZE + NONCE_SIZE,
	PURPOSE_MAX = 32,
	FILE_MAX = 256,
	KEYS_MAX = 16,
};

_Static_assert(SEAL_OVERHEAD == HEAD_SIZE + TAG_SIZE, "overhead");

struct seal_key {
	uint8_t bytes[KEY_SIZE], id[KEY_ID_SIZE];
};

struct seal {
	struct seal_key keys[KEYS_MAX]; /* the first seals; all open */
	size_t count;
};

/* ---- Keys ---- */

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* Both spellings give as many bits a digit; 32 bytes leave some at the end of base64, which must be
 * zero. */
static bool
digits_decode(struct slice text, int (*value_of)(char), unsigned bits, uint8_t out[KEY_SIZE])
{
	unsigned held = 0, have = 0;
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		int value = value_of(text.p[i]);

		if (value < 0)
			return false;
		held = (held << bits | (unsigned)value) & 0xffff;
		have += bits;
		if (have >= 8) {
			have -= 8;
			if (n == KEY_SIZE)
				return false;
			out[n++] = (uint8_t)(held >> have);
		}
	}
	return n == KEY_SIZE && (held & ((1u << have) - 1)) == 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
key_parse(struct slice text, uint8_t out[KEY_SIZE])
{
	while (text.len > 0 && is_blank(text.p[0]))
		text = slice_from(text, 1);
	while (text.len > 0 && is_blank(text.p[text.len - 1]))
		text.len--;
	if (text.len == 2 * KEY_SIZE)
		return digits_decode(text, hex_value, 4, out);
	if (text.len == 44 && text.p[43] == '=')
		text.len--;
	return text.len == 43 && digits_decode(text, base64_value, 6, out);
}

static bool
key_name(struct seal_key *k)
{
	static const char label[] = "rosterd seal key id";
	uint8_t in[sizeof(label) + KEY_SIZE], digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	bool ok;

	memcpy(in, label, sizeof(label));
	memcpy(in + sizeof(label), k->bytes, KEY_SIZE);
	ok = EVP_Digest(in, sizeof(in), digest, &size, EVP_sha256(), NULL) == 1 &&
	     size >= KEY_ID_SIZE;
	if (ok)
		memcpy(k->id, digest, KEY_ID_SIZE);
	explicit_bzero(in, sizeof(in));
	return ok;
}

static enum rc
key_check_owner(const char *setting, const char *file, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return fail(err, RC_INVALID_VALUE, setting, "%s: %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(err, RC_INVALID_VALUE, setting, "%s: the key is not in a regular file",
			file);
	if ((st.st_mode & 077) != 0)
		return fail(err, RC_INVALID_VALUE, setting,
			"%s: the key file is open to others than its owner (mode %03o): make it "
			"600",
			file, (unsigned)st.st_mode & 0777);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return fail(err, RC_INVALID_VALUE, setting,
			"%s: the key file belongs to another user than the daemon's", file);
	return RC_OK;
}

static enum rc
key_read(const char *setting, const char *file, struct seal_key *k, struct err *err)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char text[FILE_MAX];
	ssize_t n;
	enum rc rc;

	if (fd < 0)
		return fail(err, errno == ENOENT ? RC_NOT_FOUND : RC_INVALID_VALUE, setting,
			"%s: the key can't be read: %s", file, strerror(errno));
	if ((rc = key_check_owner(setting, file, fd, err)) != RC_OK)
		goto out;
	if ((n = read(fd, text, sizeof(text))) < 0)
		rc = fail(err, RC_INVALID_VALUE, setting, "%s: the key can't be read: %s", file,
			strerror(errno));
	else if (!key_parse((struct slice){ text, (size_t)n }, k->bytes))
		rc = fail(err, RC_INVALID_VALUE, setting,
			"%s: a key is 32 bytes, written as 64 hex digits or in base64", file);
	else if (!key_name(k))
		rc = fail(err, RC_INTERNAL, setting, "%s: SHA-256 fails", file);
	explicit_bzero(text, sizeof(text));
out:
	(void)close(fd);
	return rc;
}

/* ---- A key of our own ---- */

static bool
write_synced(int fd, const char *text, size_t len)
{
	return write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
}

static bool
directory_sync(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

/* On disk before anything is sealed with it: written beside its place, synced, and moved there as a
 * whole. link() takes no place that another process took meanwhile. */
static enum rc
key_make(const char *directory, const char *file, struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	char name[4096], text[2 * KEY_SIZE + 1];
	uint8_t bytes[KEY_SIZE];
	bool ok;
	int fd;

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return fail(err, RC_INTERNAL, "seal.key_file", "no randomness for a key");
	for (size_t i = 0; i < KEY_SIZE; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * KEY_SIZE] = '\n';
	(void)snprintf(name, sizeof(name), "%s.new", file);
	(void)unlink(name);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ok = fd >= 0 && fchmod(fd, 0600) == 0 && write_synced(fd, text, sizeof(text)) &&
	     link(name, file) == 0 && directory_sync(directory);
	if (!ok)
		(void)fail(err, RC_INTERNAL, "seal.key_file", "%s: the key can't be made: %s", file,
			strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	(void)unlink(name);
	explicit_bzero(bytes, sizeof(bytes));
	explicit_bzero(text, sizeof(text));
	return ok ? RC_OK : RC_INTERNAL;
}

static enum rc
own_key_read(const char *directory, struct seal_key *k, struct err *err)
{
	char file[4000];
	enum rc rc;

	if ((size_t)snprintf(file, sizeof(file), "%s/seal.key", directory) >= sizeof(file))
		return fail(err, RC_INVALID_VALUE, "data_directory", "its name is too long");
	if (access(file, F_OK) != 0 && errno == ENOENT &&
		(rc = key_make(directory, file, err)) != RC_OK)
		return rc;
	return key_read("seal.key_file", file, k, err);
}

enum rc
seal_new(const char *directory, const char *key_file, char *const *old_key_files, struct seal **out,
	struct err *err)
{
	struct seal *s = calloc(1, sizeof(*s));
	enum rc rc;

	if (s == NULL)
		abort();
	rc = key_file != NULL ? key_read("seal.key_file", key_file, &s->keys[0], err)
			      : own_key_read(directory, &s->keys[0], err);
	s->count = 1;
	for (size_t i = 0; rc == RC_OK && old_key_files != NULL && old_key_files[i] != NULL; i++) {
		if (s->count == KEYS_MAX)
			rc = fail(err, RC_INVALID_VALUE, "seal.old_key_files",
				"at most %d old keys", KEYS_MAX - 1);
		else
			rc = key_read(
				"seal.old_key_files", old_key_files[i], &s->keys[s->count++], err);
	}
	if (rc == RC_OK)
		*out = s;
	else
		seal_free(s);
	return rc;
}

void
seal_free(struct seal *s)
{
	if (s == NULL)
		return;
	explicit_bzero(s, sizeof(*s));
	free(s);
}

/* ---- Blobs ---- */

struct bound {
	uint8_t bytes[1 + KEY_ID_SIZE + 4 + PURPOSE_MAX];
	int len;
};

static void
bind(struct bound *to, const uint8_t *key_id, uint32_t org, const char *purpose)
{
	size_t len = strlen(purpose);

	if (len == 0 || len > PURPOSE_MAX)
		abort();
	to->bytes[0] = VERSION;
	memcpy(to->bytes + 1, key_id, KEY_ID_SIZE);
	for (size_t i = 0; i < 4; i++)
		to->bytes[1 + KEY_ID_SIZE + i] = (uint8_t)(org >> (24 - 8 * i));
	memcpy(to->bytes + 1 + KEY_ID_SIZE + 4, purpose, len);
	to->len = (int)(1 + KEY_ID_SIZE + 4 + len);
}

static bool
encrypt(const struct seal_key *k, const struct bound *with, struct slice plain,
	const uint8_t *nonce, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, more = 0, bound_len = 0;
	bool ok;

	ok = ctx != NULL &&
	     EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, k->bytes, nonce) == 1 &&
	     EVP_EncryptUpdate(ctx, NULL, &bound_len, with->bytes, with->len) == 1 &&
	     EVP_EncryptUpdate(ctx, out, &n, (const uint8_t *)plain.p, (int)plain.len) == 1 &&
	     EVP_EncryptFinal_ex(ctx, out + n, &more) == 1 && (size_t)(n + more) == plain.len &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, out + plain.len) == 1;
	EVP_CIPHER_CTX_free(ctx); /* wipes its key schedule */
	return ok;
}

static bool
decrypt(const struct seal_key *k, const struct bound *with, struct slice blob, uint8_t *out,
	size_t len)
{
	const uint8_t *p = (const uint8_t *)blob.p, *nonce = p + 1 + KEY_ID_SIZE,
		      *body = p + HEAD_SIZE;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, more = 0, bound_len = 0;
	uint8_t tag[TAG_SIZE];
	bool ok;

	memcpy(tag, body + len, TAG_SIZE);
	ok = ctx != NULL &&
	     EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, k->bytes, nonce) == 1 &&
	     EVP_DecryptUpdate(ctx, NULL, &bound_len, with->bytes, with->len) == 1 &&
	     EVP_DecryptUpdate(ctx, out, &n, body, (int)len) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
	     EVP_DecryptFinal_ex(ctx, out + n, &more) == 1 && (size_t)(n + more) == len;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

enum rc
seal_put(const struct seal *s, uint32_t org, const char *purpose, struct slice plain,
	struct buf *blob, struct err *err)
{
	const struct seal_key *k = &s->keys[0];
	struct bound with;
	uint8_t *p;

	if (plain.len == 0 || plain.len > SEAL_PLAIN_MAX)
		return fail(
			err, RC_INTERNAL, "", "a secret of %zu bytes can't be sealed", plain.len);
	bind(&with, k->id, org, purpose);
	p = (uint8_t *)buf_reserve(blob, plain.len + SEAL_OVERHEAD);
	p[0] = VERSION;
	memcpy(p + 1, k->id, KEY_ID_SIZE);
	if (getrandom(p + 1 + KEY_ID_SIZE, NONCE_SIZE, 0) != NONCE_SIZE)
		return fail(err, RC_INTERNAL, "", "no randomness to seal a secret with");
	if (!encrypt(k, &with, plain, p + 1 + KEY_ID_SIZE, p + HEAD_SIZE)) {
		ERR_clear_error();
		return fail(err, RC_INTERNAL, "", "a secret can't be sealed: AES-256-GCM fails");
	}
	blob->len += plain.len + SEAL_OVERHEAD;
	return RC_OK;
}

static bool
well_formed(struct slice blob)
{
	return blob.len > SEAL_OVERHEAD && blob.len <= SEAL_PLAIN_MAX + SEAL_OVERHEAD &&
	       blob.p[0] == VERSION;
}

enum rc
seal_get(const struct seal *s, uint32_t org, const char *purpose, struct slice blob,
	struct buf *plain, struct err *err)
{
	const struct seal_key *k = NULL;
	struct bound with;
	size_t len;
	uint8_t *to;

	if (!well_formed(blob))
		return fail(err, RC_INTERNAL, "", "a sealed secret (%s) is damaged", purpose);
	for (size_t i = 0; k == NULL && i < s->count; i++)
		if (memcmp(s->keys[i].id, blob.p + 1, KEY_ID_SIZE) == 0)
			k = &s->keys[i];
	if (k == NULL)
		return fail(err, RC_INTERNAL, "",
			"a secret (%s) was sealed with a key that is neither seal.key_file nor one "
			"of "
			"seal.old_key_files",
			purpose);
	bind(&with, k->id, org, purpose);
	len = blob.len - SEAL_OVERHEAD;
	to = (uint8_t *)buf_reserve(plain, len);
	if (!decrypt(k, &with, blob, to, len)) {
		explicit_bzero(to, len); /* GCM gives the text before it has checked it */
		ERR_clear_error();
		return fail(err, RC_INTERNAL, "",
			"a sealed secret (%s) is damaged or in a wrong place", purpose);
	}
	plain->len += len;
	return RC_OK;
}

bool
seal_is_current(const struct seal *s, struct slice blob)
{
	return well_formed(blob) && memcmp(s->keys[0].id, blob.p + 1, KEY_ID_SIZE) == 0;
}

void
seal_wipe(struct buf *secret)
{
	if (secret->p != NULL)
		explicit_bzero(secret->p, secret->cap);
	buf_release(secret);
}
