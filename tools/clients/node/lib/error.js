/**
 * The one thing that this package throws. `error` is the server's name of it ("FORBIDDEN", ..., docs/PROTOCOL.md,
 * "Errors"), `status` the number of the same error over HTTPS, `field` what of the request is at fault (the message begins
 * with it), `retryAfter` milliseconds. The client's own errors have the same form:
 *
 *   TIMEOUT (408)       no answer within the deadline; a write may have been done
 *   CANCELLED (499)     the caller's AbortSignal; `cause` is its reason
 *   INVALID_VALUE (400) an argument that cannot be sent
 *   DISCONNECTED (0)    the connection ended before the answer; a write may have been done
 *   UNREACHABLE (0)     no connection that can be trusted: certificate, ALPN; `cause` says why
 *   MALFORMED (0)       the server said what the protocol does not allow
 *   CLOSED (0)          close() was called
 */
export class RosterError extends Error {
	constructor({ status = 0, error, message, field, retryAfter, revision, cause }) {
		super(message && field ? `${field}: ${message}` : message ?? error, cause === undefined ? undefined : { cause });
		this.name = 'RosterError';
		this.status = status;
		this.error = error;
		this.field = field;
		this.retryAfter = retryAfter;
		this.revision = revision;
	}
}

/** The journal does not go back to where a watch wants to go on. `revision` is the oldest that can be named. */
export class ResyncError extends RosterError {
	constructor(fields) {
		super(fields);
		this.name = 'ResyncError';
	}
}

/** The error that a frame with the flag `error` tells. */
export function errorOf(answer) {
	const Kind = answer.error === 'RESYNC' ? ResyncError : RosterError;
	return new Kind({ ...answer, error: answer.error ?? 'INTERNAL' });
}

export const invalid = (field, message) => new RosterError({ status: 400, error: 'INVALID_VALUE', field, message });
export const malformed = (message) => new RosterError({ error: 'MALFORMED', message });
export const disconnected = (message, cause) => new RosterError({ error: 'DISCONNECTED', message, cause });
