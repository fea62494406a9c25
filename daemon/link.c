#include "daemon/link.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/banned.h"

void
link_init(struct link *l, int fd, SSL *ssl)
{
	*l = (struct link){ .fd = fd, .ssl = ssl, .ready = ssl == NULL };
	if (ssl == NULL)
		return;
	if (SSL_set_fd(ssl, fd) != 1)
		l->broken = true;
	SSL_set_accept_state(ssl);
}

void
link_close(struct link *l)
{
	SSL_free(l->ssl);
	l->ssl = NULL;
	if (l->fd >= 0)
		(void)close(l->fd);
	l->fd = -1;
	l->broken = true;
}

/* SSL_get_error() takes any error in the thread's queue for the connection's, also what others left there. */
static void
forget_errors(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

/* What a failed call of OpenSSL means. */
static enum link_io
reason(struct link *l, int ret)
{
	switch (SSL_get_error(l->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		return LINK_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return LINK_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return LINK_EOF;
	default:
		l->broken = true;
		return LINK_BROKEN;
	}
}

enum link_io
link_handshake(struct link *l)
{
	int r;

	if (l->broken)
		return LINK_BROKEN;
	if (l->ready)
		return LINK_OK;
	forget_errors();
	if ((r = SSL_accept(l->ssl)) != 1) {
		enum link_io why = reason(l, r);

		l->broken |= why == LINK_EOF; /* gone before it was there */
		return l->broken ? LINK_BROKEN : why;
	}
	l->ready = true;
	return LINK_OK;
}

static enum link_io
system_failed(struct link *l, enum link_io wait)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return wait;
	l->broken = true;
	return LINK_BROKEN;
}

enum link_io
link_read(struct link *l, void *to, size_t size, size_t *got)
{
	*got = 0;
	if (l->broken)
		return LINK_BROKEN;
	if (l->ssl != NULL) {
		int r;

		forget_errors();
		r = SSL_read_ex(l->ssl, to, size, got);
		return r == 1 ? LINK_OK : reason(l, r);
	}
	ssize_t n = read(l->fd, to, size);

	if (n < 0)
		return system_failed(l, LINK_WANT_READ);
	*got = (size_t)n;
	return n == 0 ? LINK_EOF : LINK_OK;
}

bool
link_pending(const struct link *l)
{
	return l->ssl != NULL && SSL_has_pending(l->ssl) == 1;
}

/* When the peer has said that it ends, OpenSSL calls every failure by that name, also one of the socket. */
static enum link_io
write_reason(struct link *l, int ret)
{
	enum link_io why = reason(l, ret);

	l->broken |= why == LINK_EOF;
	return l->broken ? LINK_BROKEN : why;
}

enum link_io
link_write(struct link *l, const void *p, size_t len, size_t *sent)
{
	*sent = 0;
	if (l->broken)
		return LINK_BROKEN;
	while (*sent < len) {
		const char *from = (const char *)p + *sent;

		if (l->ssl != NULL) {
			size_t n = 0;
			int r;

			forget_errors();
			r = SSL_write_ex(l->ssl, from, len - *sent, &n);

			if (r != 1)
				return write_reason(l, r);
			*sent += n;
		} else {
			ssize_t n = send(l->fd, from, len - *sent, MSG_NOSIGNAL);

			if (n < 0)
				return system_failed(l, LINK_WANT_WRITE);
			*sent += (size_t)n;
		}
	}
	return LINK_OK;
}

void
link_finish(struct link *l)
{
	if (l->broken || !l->ready)
		return;
	forget_errors();
	if (l->ssl != NULL)
		(void)SSL_shutdown(l->ssl); /* when the socket is full, the peer does not read anyway */
	(void)shutdown(l->fd, SHUT_WR);
}

void
link_rest(struct link *l)
{
	if (l->ssl != NULL && l->ready && !l->broken)
		(void)SSL_free_buffers(l->ssl);
}
