#include "daemon/mail/smtp.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/mail/mail.h"

#include "base/banned.h"

enum { PASSWORD_MAX = 1024, CONNECT_MAX_S = 30, TICKS_PER_SECOND = 10000000 };

/* How far a mail came: what a reply refuses. */
enum phase { PHASE_SESSION, PHASE_SENDER, PHASE_RECIPIENT, PHASE_CONTENT };

struct smtp {
	const struct config *config;
	CURLM *multi; /* NULL after smtp_close(), which takes it under lock */
	CURL *easy;
	struct slice from_name, from; /* of config->mail_from */
	_Atomic bool cut;
	pthread_mutex_t lock;
	int fd; /* of the connection, for smtp_cut(); -1: none; under lock */
	/* Of the mail under way. */
	enum phase phase;
	bool quitting; /* what the server says now is about QUIT */
	int code;
	char reply[SMTP_WHY_MAX]; /* the server's last line */
	char error[CURL_ERROR_SIZE];
};

/* ---- What libcurl tells ---- */

/* The server's words go to terminals. */
static void
keep_reply(struct smtp *s, const char *line, size_t len)
{
	size_t n = 0;

	for (; n < len && n + 1 < sizeof(s->reply) && line[n] != '\r' && line[n] != '\n'; n++)
		s->reply[n] = line[n] >= ' ' && line[n] <= '~' ? line[n] : '?';
	s->reply[n] = '\0';
	s->code = 0;
	for (size_t i = 0; i < 3 && i < n; i++)
		s->code = s->reply[i] >= '0' && s->reply[i] <= '9'
				  ? s->code * 10 + (s->reply[i] - '0')
				  : 0;
}

/* Commands and replies; only verbs are looked at, since commands hold the password too. */
static int
on_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
	static const struct {
		struct slice verb;
		enum phase phase;
	} verbs[] = { { SLICE_INIT("MAIL "), PHASE_SENDER },
		{ SLICE_INIT("RCPT "), PHASE_RECIPIENT }, { SLICE_INIT("DATA"), PHASE_CONTENT } };
	struct slice text = { data, size };
	struct smtp *s = arg;

	(void)easy;
	if (type == CURLINFO_HEADER_IN && !s->quitting)
		keep_reply(s, data, size);
	if (type != CURLINFO_HEADER_OUT)
		return 0;
	s->quitting = s->quitting || slice_starts(text, SLICE("QUIT"));
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (slice_starts(text, verbs[i].verb))
			s->phase = verbs[i].phase;
	return 0;
}

static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct smtp *s = arg;
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

	(void)purpose;
	s->quitting = false;
	(void)pthread_mutex_lock(&s->lock);
	s->fd = fd;
	(void)pthread_mutex_unlock(&s->lock);
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int
on_close(void *arg, curl_socket_t fd)
{
	struct smtp *s = arg;

	(void)pthread_mutex_lock(&s->lock);
	if (s->fd == fd)
		s->fd = -1;
	(void)close(fd);
	(void)pthread_mutex_unlock(&s->lock);
	return 0;
}

/* ---- Settings ---- */

static enum rc
password_read(const struct config *c, char out[PASSWORD_MAX], struct err *err)
{
	int fd = open(c->mail_password_file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, PASSWORD_MAX - 1) : -1;
	int error = errno;

	if (fd >= 0)
		(void)close(fd);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	if (n < 0)
		return fail(err, RC_INVALID_VALUE, "", "mail.password_file: %s: %s",
			c->mail_password_file, strerror(error));
	if (out[0] == '\0')
		return fail(err, RC_INVALID_VALUE, "", "mail.password_file: %s is empty",
			c->mail_password_file);
	return RC_OK;
}

static enum rc
settings_check(struct smtp *s, struct err *err)
{
	const struct config *c = s->config;
	struct err why = ERR_INIT;
	char password[PASSWORD_MAX];
	enum rc rc;

	if ((rc = mail_mailbox_parse(slice_of(c->mail_from), &s->from_name, &s->from, &why)) !=
		RC_OK)
		return fail(err, rc, "", "mail.from: %s", why.detail);
	if (c->mail_ca_file != NULL && access(c->mail_ca_file, R_OK) != 0)
		return fail(err, RC_INVALID_VALUE, "", "mail.ca_file: %s: %s", c->mail_ca_file,
			strerror(errno));
	if (c->mail_user == NULL)
		return RC_OK;
	rc = password_read(c, password, err);
	explicit_bzero(password, sizeof(password));
	return rc;
}

enum rc
smtp_new(const struct config *config, struct smtp **out, struct err *err)
{
	struct smtp *s = calloc(1, sizeof(*s));
	enum rc rc;

	if (s == NULL)
		abort();
	s->config = config;
	s->fd = -1;
	if ((rc = settings_check(s, err)) != RC_OK) {
		free(s);
		return rc;
	}
	(void)pthread_mutex_init(&s->lock, NULL);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
		(s->multi = curl_multi_init()) == NULL || (s->easy = curl_easy_init()) == NULL)
		abort();
	*out = s;
	return RC_OK;
}

/* Says QUIT, and waits for the answer: smtp_cut() ends that too. */
void
smtp_close(struct smtp *s)
{
	CURLM *multi;

	(void)pthread_mutex_lock(&s->lock);
	multi = s->multi;
	s->multi = NULL;
	(void)pthread_mutex_unlock(&s->lock);
	if (multi == NULL)
		return;
	curl_easy_cleanup(s->easy);
	(void)curl_multi_cleanup(multi);
	curl_global_cleanup();
}

void
smtp_free(struct smtp *s)
{
	smtp_close(s);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- Waiting ---- */

void
smtp_wait(struct smtp *s, unsigned ms)
{
	(void)curl_multi_poll(s->multi, NULL, 0, (int)ms, NULL);
}

void
smtp_wake(struct smtp *s)
{
	(void)pthread_mutex_lock(&s->lock);
	if (s->multi != NULL)
		(void)curl_multi_wakeup(s->multi);
	(void)pthread_mutex_unlock(&s->lock);
}

void
smtp_cut(struct smtp *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->cut = true;
	if (s->fd >= 0)
		(void)shutdown(s->fd, SHUT_RDWR);
	(void)pthread_mutex_unlock(&s->lock);
	smtp_wake(s);
}

/* ---- One mail ---- */

static struct curl_slist *
add_header(struct curl_slist *list, struct buf *line)
{
	buf_char(line, '\0');
	list = curl_slist_append(list, line->p);
	if (list == NULL)
		abort();
	buf_clear(line);
	return list;
}

static struct curl_slist *
headers_make(const struct smtp *s, const struct smtp_mail *mail)
{
	time_t seconds = (time_t)(mail->date / TICKS_PER_SECOND);
	const char *domain = memrchr(s->from.p, '@', s->from.len);
	struct curl_slist *list = NULL;
	struct buf b = BUF_INIT;
	char date[64];
	struct tm tm;

	(void)gmtime_r(&seconds, &tm);
	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	buf_printf(&b, "Date: %s", date);
	list = add_header(list, &b);
	BUF_LIT(&b, "From: ");
	mail_header_text(&b, s->from_name, true);
	buf_printf(&b, "%s<%.*s>", s->from_name.len > 0 ? "\r\n " : "", SLICE_ARG(s->from));
	list = add_header(list, &b);
	buf_printf(&b, "To: <%.*s>", SLICE_ARG(mail->to));
	list = add_header(list, &b);
	BUF_LIT(&b, "Subject: ");
	mail_header_text(&b, mail->subject, false);
	list = add_header(list, &b);
	buf_printf(&b, "Message-ID: <%.*s%.*s>", SLICE_ARG(mail->id),
		(int)(s->from.p + s->from.len - domain), domain);
	list = add_header(list, &b);
	/* RFC 3834 section 5: no out-of-office note answers it. */
	BUF_LIT(&b, "Auto-Submitted: auto-generated");
	list = add_header(list, &b);
	BUF_LIT(&b, "Content-Type: multipart/alternative");
	list = add_header(list, &b);
	buf_release(&b);
	return list;
}

static void
add_part(curl_mime *mime, struct slice content, const char *type)
{
	curl_mimepart *part = curl_mime_addpart(mime);

	if (part == NULL || curl_mime_data(part, content.p, content.len) != CURLE_OK ||
		curl_mime_type(part, type) != CURLE_OK ||
		curl_mime_encoder(part, "quoted-printable") != CURLE_OK)
		abort();
}

/* CURLOPT_xxx of constants and of what lives as long as the handle. */
static void
connection_set(struct smtp *s, long timeout)
{
	static const long use_tls[] = { [MAIL_TLS_REQUIRE] = CURLUSESSL_ALL,
		[MAIL_TLS_TRY] = CURLUSESSL_TRY,
		[MAIL_TLS_OFF] = CURLUSESSL_NONE };
	const struct config *c = s->config;
	CURL *e = s->easy;

	(void)curl_easy_setopt(e, CURLOPT_URL, c->mail_server);
	(void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	(void)curl_easy_setopt(e, CURLOPT_PROXY, ""); /* not the environment's */
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	(void)curl_easy_setopt(e, CURLOPT_TIMEOUT, timeout);
	(void)curl_easy_setopt(e, CURLOPT_SERVER_RESPONSE_TIMEOUT, timeout);
	(void)curl_easy_setopt(
		e, CURLOPT_CONNECTTIMEOUT, timeout < CONNECT_MAX_S ? timeout : (long)CONNECT_MAX_S);
	(void)curl_easy_setopt(e, CURLOPT_USE_SSL, use_tls[c->mail_starttls]);
	(void)curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (c->mail_ca_file != NULL)
		(void)curl_easy_setopt(e, CURLOPT_CAINFO, c->mail_ca_file);
	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->error);
	(void)curl_easy_setopt(e, CURLOPT_VERBOSE, 1L);
	(void)curl_easy_setopt(e, CURLOPT_DEBUGFUNCTION, on_debug);
	(void)curl_easy_setopt(e, CURLOPT_DEBUGDATA, s);
	(void)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
	(void)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, s);
	(void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	(void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, s);
}

static bool
login_set(struct smtp *s)
{
	const struct config *c = s->config;
	char password[PASSWORD_MAX];
	struct err err = ERR_INIT;
	bool good;

	if (c->mail_user == NULL)
		return true;
	good = password_read(c, password, &err) == RC_OK;
	if (good) {
		(void)curl_easy_setopt(s->easy, CURLOPT_USERNAME, c->mail_user);
		(void)curl_easy_setopt(s->easy, CURLOPT_PASSWORD, password);
	} else {
		(void)snprintf(
			s->error, sizeof(s->error), "%.*s", (int)sizeof(s->error) - 1, err.detail);
	}
	explicit_bzero(password, sizeof(password));
	return good;
}

static CURLcode
transfer(struct smtp *s)
{
	CURLcode result = CURLE_ABORTED_BY_CALLBACK;
	int running = 1, left;
	CURLMsg *m;

	if (curl_multi_add_handle(s->multi, s->easy) != CURLM_OK)
		return CURLE_FAILED_INIT;
	while (!s->cut && running > 0) {
		if (curl_multi_perform(s->multi, &running) != CURLM_OK)
			break;
		if (running > 0)
			(void)curl_multi_poll(s->multi, NULL, 0, 1000, NULL);
	}
	while ((m = curl_multi_info_read(s->multi, &left)) != NULL)
		if (m->msg == CURLMSG_DONE)
			result = m->data.result;
	(void)curl_multi_remove_handle(s->multi, s->easy);
	return result;
}

/* RFC 5321 section 4.2.1, with the replies of RFC 4954 section 6 that are about us, not about the
 * mail. */
static enum smtp_outcome
judge(const struct smtp *s, CURLcode result)
{
	if (result == CURLE_OK)
		return SMTP_SENT;
	if (s->cut)
		return SMTP_CUT;
	if (s->phase == PHASE_SESSION || s->code == 421)
		return SMTP_NO_SERVER;
	if (s->phase == PHASE_SENDER && s->code >= 530 && s->code <= 539)
		return SMTP_NO_SERVER;
	return s->code >= 500 && s->code <= 599 ? SMTP_REFUSED : SMTP_LATER;
}

static void
explain(const struct smtp *s, CURLcode result, struct smtp_result *out)
{
	static const char *const what[] = { [PHASE_SESSION] = "the session",
		[PHASE_SENDER] = "the sender",
		[PHASE_RECIPIENT] = "the recipient",
		[PHASE_CONTENT] = "the mail" };

	out->code = s->code;
	if (s->code >= 400)
		(void)snprintf(out->why, sizeof(out->why), "the server refused %s: %.200s",
			what[s->phase], s->reply);
	else
		(void)snprintf(out->why, sizeof(out->why), "%.250s",
			s->error[0] != '\0' ? s->error : curl_easy_strerror(result));
	if (s->code < 400)
		memcpy(out->local, out->why, sizeof(out->local));
}

static CURLcode
attempt(struct smtp *s, const struct smtp_mail *mail, struct smtp_result *out)
{
	struct curl_slist *headers, *to;
	struct buf address = BUF_INIT;
	CURLcode result = CURLE_LOGIN_DENIED;
	curl_mime *mime;

	*out = (struct smtp_result){ .outcome = SMTP_NO_SERVER };
	s->phase = PHASE_SESSION;
	s->quitting = false;
	s->code = 0;
	s->reply[0] = s->error[0] = '\0';
	curl_easy_reset(s->easy);
	connection_set(s, (long)__atomic_load_n(&s->config->mail_timeout, __ATOMIC_RELAXED));
	headers = headers_make(s, mail);
	mime = curl_mime_init(s->easy);
	add_part(mime, mail->text, "text/plain; charset=utf-8");
	add_part(mime, mail->html, "text/html; charset=utf-8");
	buf_printf(&address, "<%.*s>%c", SLICE_ARG(mail->to), '\0');
	to = curl_slist_append(NULL, address.p);
	buf_clear(&address);
	buf_printf(&address, "<%.*s>%c", SLICE_ARG(s->from), '\0');
	(void)curl_easy_setopt(s->easy, CURLOPT_MAIL_FROM, address.p);
	(void)curl_easy_setopt(s->easy, CURLOPT_MAIL_RCPT, to);
	(void)curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(s->easy, CURLOPT_MIMEPOST, mime);
	if (login_set(s))
		result = transfer(s);
	out->outcome = judge(s, result);
	if (result != CURLE_OK)
		explain(s, result, out);
	(void)curl_easy_setopt(s->easy, CURLOPT_MIMEPOST, NULL);
	curl_mime_free(mime);
	curl_slist_free_all(headers);
	curl_slist_free_all(to);
	buf_release(&address);
	return result;
}

void
smtp_send(struct smtp *s, const struct smtp_mail *mail, struct smtp_result *out)
{
	CURLcode result = attempt(s, mail, out);
	long connects = 1;

	/* A kept connection that the server had closed meanwhile says nothing about the mail. */
	if (result != CURLE_OK && !s->cut && s->code == 0 &&
		curl_easy_getinfo(s->easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK &&
		connects == 0)
		(void)attempt(s, mail, out);
}
