/* Bytes to and from one peer on a non-blocking socket, through TLS or not: what lies below is not the business of who uses it. */
#ifndef DAEMON_LINK_H
#define DAEMON_LINK_H

#include <openssl/ssl.h>

#include "base/slice.h"

enum link_io {
	LINK_OK,
	LINK_WANT_READ,  /* try again when the socket is readable */
	LINK_WANT_WRITE, /* when it is writable */
	LINK_EOF,        /* the peer sends no more; it may still read */
	LINK_BROKEN,     /* nothing goes either way any more */
};

struct link {
	int fd;
	SSL *ssl; /* NULL: plain */
	bool ready, broken;
};

/* Takes fd and ssl (NULL for plain) over. */
void link_init(struct link *l, int fd, SSL *ssl);
/* Closes the socket without a word: a peer that reads TLS sees a truncation. */
void link_close(struct link *l);

/* LINK_OK when the peer may send and read. */
enum link_io link_handshake(struct link *l);

/* One read of at most size (> 0) bytes. */
enum link_io link_read(struct link *l, void *to, size_t size, size_t *got);
/* Whether bytes wait inside: then read again before waiting for the socket. */
bool link_pending(const struct link *l);

/* Writes until all is sent or the socket is full. *sent counts what went in any case; a repeated call must begin with the same unsent bytes. */
enum link_io link_write(struct link *l, const void *p, size_t len, size_t *sent);

/* Tells the peer that nothing more will come (close_notify and FIN). What it sends may still be read. */
void link_finish(struct link *l);
/* Gives back buffers of a link that rests. */
void link_rest(struct link *l);

#endif
