/// <reference types="node" />
// What this package offers. The verbs and fields are those of docs/PROTOCOL.md, in camelCase; that page says what they
// mean. All that fails rejects or throws with a RosterError.

import { EventEmitter } from 'node:events';
import { ConnectionOptions } from 'node:tls';

/**
 * A revision or another whole number from 0 to 2^64 - 1: a number when it is below 2^53, otherwise a BigInt. The same
 * value always comes as the same type, so that === works; both types are taken.
 */
export type Uint = number | bigint;
/** A UUID as text, 36 letters. */
export type Id = string;

export interface Options {
	/** The token for hello, or what gives it, asked anew for each connection. Absent: a client certificate (tls.cert, tls.key). */
	token?: string | (() => string | Promise<string>);
	/** The organisation of requests that name none. */
	org?: string;
	/** The key of the organisation that issued tls.cert, when that has changed since. */
	issuer?: string;
	/** A name for the server's log. */
	name?: string;
	/** Milliseconds until a request is given up (10,000); 0: never. */
	timeout?: number;
	/** Milliseconds for one attempt to connect and say hello (10,000). */
	connectTimeout?: number;
	/** A server that was silent for so many milliseconds is pinged, after as many again it is left (15,000); 0: never. */
	keepAlive?: number;
	/** Milliseconds before attempts to connect: anything up to `first` (50), then twice that, and so on up to `most` (5,000). */
	backoff?: { first?: number; most?: number };
	/** Options of tls.connect: ca, cert, key, servername. */
	tls?: ConnectionOptions;
}

export interface CallOptions {
	/** Milliseconds; instead of the client's timeout. */
	timeout?: number;
	/** Cancels the request. */
	signal?: AbortSignal;
}

export interface About {
	org?: string;
	/** What the answer must see at least: the revision that a write was answered with. */
	revision?: Uint;
}

export interface Subject {
	subjectId?: Id;
	subjectName?: string;
	subjectExternalId?: string;
	subject?: string;
	/** 0 a member of the organisation, 1 a person of the platform, 2 a team. */
	subjectKind?: 0 | 1 | 2;
}

export interface Scope {
	scopeId?: Id;
	scope?: string;
	team?: string;
	workspace?: string;
	project?: string;
}

export interface CheckItem extends Subject, Scope {
	permission?: string;
	owner?: string;
	member?: string;
	ofScope?: boolean;
}

export interface Check extends About, CheckItem {
	explain?: boolean;
}

export interface MemberItem extends Subject {
	groupId?: Id;
	group?: string;
	direct?: boolean;
}

export interface IsMember extends About, MemberItem {}

export interface Page {
	/** At most so many items; the list's `cursor` says then where to go on. */
	limit?: number;
	cursor?: Uint8Array;
}

export type CheckCode = 'granted' | 'missing' | 'own_only' | 'elsewhere' | 'off' | 'token' | 'not_here' | 'unknown_subject' |
	'ambiguous_subject' | 'inactive_subject' | 'unknown_permission' | 'unknown_scope' | 'ambiguous_scope' | 'unknown_resource' |
	'error' | 'malformed';
export type MemberCode = 'direct' | 'nested' | 'not_member' | 'unknown_subject' | 'ambiguous_subject' | 'unknown_group' |
	'ambiguous_group' | 'error' | 'malformed';

export interface CheckAnswer {
	answer: boolean;
	/** Why. A code that this package does not know yet is its number in digits. */
	code: CheckCode | (string & {});
	revision: Uint;
	/** This and what follows: with `explain`. */
	reason?: string;
	role?: string;
	through?: string;
	scopeId?: Id;
	assignmentId?: Id;
	teamId?: Id[];
	own?: boolean;
	missing?: string;
}

export interface MemberAnswer {
	answer: boolean;
	code: MemberCode | (string & {});
	revision: Uint;
}

export interface BatchAnswer<Code> {
	/** All answers are true at this revision or a later one. */
	revision: Uint;
	/** One for each item, in order. */
	answers: boolean[];
	codes: (Code | (string & {}))[];
}

export interface GroupOf { id: Id; kind: 'group'; direct: boolean; name?: string }
export interface MemberOf { id: Id; kind: 'user' | 'group'; name?: string }
export interface Permission { permission: string; own: boolean }
export interface Who { id: Id; name?: string }
export interface OrgOf { org: string; id: Id; name?: string }
export interface Found { id: Id; version: Uint; resource: any }
export interface Resource extends Found { revision: Uint }
export interface Written { id: Id; revision: Uint; version: Uint; created: boolean }

/**
 * A list that is read as it comes, once: `for await (const item of list)`, parts() or all(). It is asked for when the
 * reading begins, and cancelled when the reading ends early. The timeout counts for each part that is waited for. A
 * connection that ends before the first part is made up for; later it is an error, since parts are not the whole.
 * Who reads slowly holds up the other lists of the same client, and nothing else.
 */
export class List<Item> implements AsyncIterable<Item> {
	private constructor();
	/** Behind the end: what the last part was true at. */
	readonly revision: Uint | undefined;
	/** Behind the end: where to go on, when `limit` cut the list. */
	readonly cursor: Buffer | undefined;
	[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined>;
	/** Arrays of items, as they come. */
	parts(): AsyncGenerator<Item[], void, undefined>;
	all(): Promise<Item[]>;
}

export interface Hello {
	version: number;
	server?: string;
	maxPayload?: number;
	maxRequests?: number;
	maxItems?: number;
	heartbeat?: number;
	actor?: string;
	org?: string;
}

export type SyncRecord = object | string | Uint8Array;
export type Action = 'create' | 'change' | 'remove' | 'unchanged' | 'membership-added' | 'membership-removed' | (string & {});
export interface ActionCount { action: Action; type?: string; count: Uint }
export interface ActionSample { action: Action; type?: string; id?: Id; name: string; data?: string }

/**
 * A whole desired state under way. It lives on a connection of its own, until commit() or abort() has done: when that
 * ends before, so does the sync (DISCONNECTED), and nothing has changed, unless it was the answer to commit() that was
 * lost. A commit that is refused may be planned and committed again.
 */
export class Sync {
	private constructor();
	/**
	 * Sends SCIM Users and Groups: objects, or strings or bytes of whole lines of JSON. Takes from the source no faster
	 * than the server reads. Gives the number of records so far. May be called any number of times. When a record is
	 * refused, nothing can be made of this sync any more.
	 */
	records(source: Iterable<SyncRecord> | AsyncIterable<SyncRecord> | string | Uint8Array, options?: CallOptions): Promise<Uint>;
	/** What commit() would do, with `limit` samples of each kind. */
	plan(fields?: { limit?: number }, options?: CallOptions): Promise<{ revision: Uint; counts: ActionCount[]; samples: ActionSample[] }>;
	commit(options?: CallOptions): Promise<{ revision: Uint; counts: ActionCount[] }>;
	/** Forgets it; nothing when it is over. */
	abort(options?: CallOptions): Promise<void>;
}

export interface WatchFields extends Scope {
	org?: string;
	/** Go on behind this revision; absent: first a snapshot. */
	from?: Uint;
	/** 'records' unless said. The other two may tell revisions that were written at once as one. */
	view?: 'records' | 'membership' | 'permission';
	/** Milliseconds between signs of life, from 1,000 to 600,000. */
	heartbeat?: number;
	/** View membership: only these groups. */
	groupId?: Id | Id[];
	/** View permission. */
	permission?: string;
}

export type WatchItem =
	/** Without `resource` when that is too long to be told. */
	| { event: 'put'; type: string; id: Id; resource?: any }
	| { event: 'gone'; type: string; id: Id }
	| { event: 'member-added' | 'member-removed'; groupId: Id; id: Id; kind: 'user' | 'group' }
	| { event: 'gained' | 'lost'; groupId?: Id; id: Id };

export interface Change {
	/** Who has applied this change is at this revision, unless `more` is true. */
	revision: Uint;
	/** Milliseconds since 1970. */
	time?: Uint;
	/** All of the revision. Empty: a heartbeat; nothing happened up to this revision. */
	items: WatchItem[];
	/** A part of a snapshot; those come as they are, since all of it may be too much to hold. */
	snapshot: boolean;
	/** Of a snapshot, not the last part. */
	more: boolean;
	/** The first part of a snapshot: forget what was there before. It comes again when a snapshot was cut. */
	begin?: boolean;
	/** Of the last part of a snapshot: it is exact from the first change on whose revision is at or above this. */
	settled?: Uint;
}

export interface MirrorAnswer extends MemberAnswer {
	code: 'direct' | 'nested' | 'not_member' | 'unknown_subject' | 'ambiguous_subject' | 'unknown_group' | 'ambiguous_group';
	/** Milliseconds since the server last said that there is nothing newer. */
	staleness: number;
}

/**
 * A copy of who is in what, kept up to date by a watch, that answers isMember in this process. While the server cannot
 * be reached it goes on answering what it knows, and `staleness` grows. Emits 'change' (revision) and 'stop' (error).
 */
export class Mirror extends EventEmitter {
	private constructor();
	/** Why it stopped: an error that does not pass by itself (FORBIDDEN, ...), or CLOSED. */
	readonly error: RosterError | undefined;
	/** What answers are true at; undefined until there are any. */
	readonly revision: Uint | undefined;
	readonly staleness: number;
	/** Settles when it can answer, at this revision or a later one. Without a timeout it waits as long as it takes. */
	reached(revision?: Uint, options?: CallOptions): Promise<void>;
	/**
	 * As Client.isMember. `subjectName` is a userName (of a team a displayName); `group` an id or displayName. Names are
	 * compared without case. External ids and persons of the platform are not known here: INVALID_VALUE. Throws when the
	 * mirror has not begun (UNAVAILABLE), and when it has stopped.
	 */
	isMember(fields: { subjectId?: Id; subjectName?: string; subjectKind?: 0 | 2; groupId?: Id; group?: string; direct?: boolean }): MirrorAnswer;
	close(): Promise<void>;
}

/**
 * Keeps one connection, made with the first request; each watch, mirror and sync has one more of its own. What is asked in
 * one turn of the event loop goes out in one write, and answers come in any order.
 *
 * When a connection ends, reads are asked again on a new one within their deadline, and also when the server is busy
 * (UNAVAILABLE, RATE_LIMITED). Writes never are: after DISCONNECTED or TIMEOUT they may have been done or not.
 */
export class Client {
	/** @param address roster://HOST:PORT */
	constructor(address: string, options?: Options);
	/** Connects now and not with the first request. */
	connect(options?: CallOptions): Promise<Hello>;
	/** Changes to another token, on connections that are there as well as on later ones; syncs under way keep theirs. */
	setToken(token: Options['token'], options?: CallOptions): Promise<void>;
	/** Ends all connections; what is under way fails with CLOSED. */
	close(): void;

	check(fields: Check, options?: CallOptions): Promise<CheckAnswer>;
	/** What an item lacks is taken from the fields beside `items`. */
	checkBatch(fields: Omit<Check, 'explain'> & { items: CheckItem[] }, options?: CallOptions): Promise<BatchAnswer<CheckCode>>;
	isMember(fields: IsMember, options?: CallOptions): Promise<MemberAnswer>;
	isMemberBatch(fields: IsMember & { items: MemberItem[] }, options?: CallOptions): Promise<BatchAnswer<MemberCode>>;

	groupsOf(fields: About & Subject & Page & { direct?: boolean; names?: boolean }, options?: CallOptions): List<GroupOf>;
	membersOf(fields: About & Page & { groupId?: Id; group?: string; direct?: boolean; names?: boolean }, options?: CallOptions): List<MemberOf>;
	permissionsOf(fields: About & Subject & Scope & Page, options?: CallOptions): List<Permission>;
	whoCan(fields: About & Scope & Page & { permission: string; names?: boolean }, options?: CallOptions): List<Who>;
	/** The organisations of a person; without fields, one's own. */
	orgsOf(fields?: Pick<Subject, 'subjectId' | 'subjectName'> & Page, options?: CallOptions): List<OrgOf>;

	get(fields: About & { type: string; id: Id; attributes?: string; excluded?: string }, options?: CallOptions): Promise<Resource>;
	find(fields: About & Page & { type: string; filter?: string; attributes?: string; excluded?: string; sort?: string; descending?: boolean }, options?: CallOptions): List<Found>;
	/** With `id` it replaces that resource, otherwise one is created. */
	put(fields: { org?: string; type: string; id?: Id; resource: object | string; ifRevision?: Uint }, options?: CallOptions): Promise<Written>;
	delete(fields: { org?: string; type: string; id: Id; ifRevision?: Uint }, options?: CallOptions): Promise<{ revision: Uint }>;
	sync(fields?: { org?: string; connection?: string; match?: 'externalId' | 'userName' | 'id'; filter?: string; groups?: boolean }, options?: CallOptions): Promise<Sync>;

	/**
	 * Every revision whole and once, however often the connection breaks: it goes on behind the last one that was told.
	 * Ends with `signal` (CANCELLED), with a ResyncError when the journal no longer goes back far enough, and with other
	 * errors that do not pass. A reader that is slow holds up the server, not this process.
	 */
	watch(fields?: WatchFields, options?: Pick<CallOptions, 'signal'>): AsyncGenerator<Change, void, undefined>;
	mirror(fields?: { org?: string }): Mirror;

	/** Numbers about an organisation, by their names in camelCase; of the daemon with `org: null`. */
	stats(fields?: { org?: string | null; revision?: Uint }, options?: CallOptions): Promise<{ revision?: Uint; [name: string]: Uint | undefined }>;
	/** Gives `data` back, from the server. */
	ping(data?: Uint8Array | string, options?: CallOptions): Promise<Buffer>;
}

/**
 * `error` is the server's name of it ("FORBIDDEN", ...), `status` the number of the same error over HTTPS. Errors of
 * this package: TIMEOUT (408), CANCELLED (499), INVALID_VALUE (400), TOO_LARGE (413) and, with status 0, DISCONNECTED
 * (before the answer came), UNREACHABLE (certificate or ALPN), MALFORMED (the server erred) and CLOSED.
 */
export class RosterError extends Error {
	status: number;
	error: string;
	/** What of the request is at fault, by the protocol's name ("subject-id"), or an attribute of a resource. */
	field?: string;
	/** Milliseconds. */
	retryAfter?: number;
	revision?: Uint;
	cause?: unknown;
}

/** The journal no longer goes back to where a watch wants to go on: take a snapshot (a watch without `from`). */
export class ResyncError extends RosterError {
	/** The oldest that can be named as `from`. */
	revision?: Uint;
}
