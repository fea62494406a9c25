/* TXT records, for the proof that an org has a domain: the org is given a token and puts
 *
 *   _rosterd-challenge.example.com. TXT "rosterd-domain-verification=TOKEN"
 *
 * into the domain's zone. Blocking, within the timeout: call on the pool. Nothing is cached. What
 * the server says is believed: it should be near, and validate DNSSEC. */
#ifndef DAEMON_DNS_TXT_H
#define DAEMON_DNS_TXT_H

#include "base/arena.h"
#include "base/err.h"

/* timeout_ms: for all attempts together. server: an IP address with an optional port, or NULL for
 * the system's. */
struct dns_options {
	const char *server;
	unsigned timeout_ms;
};

enum dns_status {
	DNS_FOUND,
	DNS_NO_NAME, /* NXDOMAIN: the name is not there */
	DNS_NO_TEXT, /* the name is there, and has no TXT record */
	DNS_FAILED,  /* no server gave an answer that can be used: SERVFAIL, REFUSED, an answer in
			pieces */
	DNS_TIMEOUT, /* no server answered in time */
};

/* For the settings: "192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:53". */
bool dns_server_valid(const char *server);

/* All TXT records of a name (following CNAMEs), each with its strings joined (RFC 7208 section 3.3
 * does the same). name: ASCII labels, no dot at the end. *texts lives in the arena; set only with
 * DNS_FOUND. */
enum dns_status dns_txt_lookup(const struct dns_options *options, struct arena *a,
	struct slice name, struct slice **texts, size_t *count);

enum { DNS_DOMAIN_MAX = 253 - 19 }; /* room for "_rosterd-challenge." in front of it */

/* A domain as it is kept and compared: lower case, no dot at the end, two labels or more of
 * letters, digits and hyphens. INVALID_VALUE names what is wrong; path names the attribute. Names
 * outside ASCII are to be given as A-labels ("xn--..."). *out lives in the arena. */
enum rc dns_domain_normalize(struct arena *a, const char *path, struct slice domain,
	struct slice *out, struct err *err) MUSTCHECK;

/* Where the challenge of a domain is put, and what: for the answer that tells an admin what to do.
 */
struct slice dns_challenge_name(struct arena *a, struct slice domain);
struct slice dns_challenge_text(struct arena *a, struct slice token);

/* OK when the domain (normalised) holds the token. CONFLICT: there is no such name or record, or
 * another token; UNAVAILABLE: the DNS can't tell now. err names the record to look at. */
enum rc dns_challenge_check(const struct dns_options *options, struct arena *a, const char *path,
	struct slice domain, struct slice token, struct err *err) MUSTCHECK;

#endif
