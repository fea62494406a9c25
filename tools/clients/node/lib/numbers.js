// The numbers of docs/PROTOCOL.md, "Numbers". A field's name in JavaScript is that of the protocol in camelCase.

export const TYPES = {
	hello: 1, ping: 2, cancel: 3, stats: 4,
	check: 16, 'check-batch': 17, 'is-member': 18, 'is-member-batch': 19,
	'groups-of': 20, 'members-of': 21, 'permissions-of': 22, 'who-can': 23, 'orgs-of': 24,
	get: 32, find: 33, put: 34, delete: 35,
	'sync-begin': 48, 'sync-records': 49, 'sync-plan': 50, 'sync-commit': 51, 'sync-abort': 52,
	watch: 64,
};

// What a field's value is: a number, text, raw bytes, fields of its own, or an id. Text, raw and fields are one kind
// on the wire (bytes). A list has '*' behind it.
const REQUEST_TABLE = {
	'org': [1, 'text'], 'revision': [2, 'number'], 'subject-id': [3, 'id'], 'subject-name': [4, 'text'],
	'subject-external-id': [5, 'text'], 'subject': [6, 'text'], 'subject-kind': [7, 'number'],
	'permission': [8, 'text'], 'scope-id': [9, 'id'], 'scope': [10, 'text'], 'workspace': [11, 'text'],
	'project': [12, 'text'], 'team': [13, 'text'], 'owner': [14, 'text'], 'member': [15, 'text'],
	'of-scope': [16, 'number'], 'explain': [17, 'number'], 'group-id': [18, 'id*'], 'group': [19, 'text'],
	'direct': [20, 'number'], 'item': [21, 'fields*'], 'limit': [22, 'number'], 'cursor': [23, 'raw'],
	'type': [24, 'text'], 'id': [25, 'id'], 'filter': [26, 'text'], 'attributes': [27, 'text'],
	'excluded': [28, 'text'], 'sort': [29, 'text'], 'descending': [30, 'number'], 'resource': [31, 'text'],
	'if-revision': [32, 'number'], 'token': [33, 'text'], 'version': [34, 'number'], 'target': [35, 'number'],
	'from': [36, 'number'], 'view': [37, 'number'], 'heartbeat': [38, 'number'], 'data': [39, 'raw'],
	'sync': [40, 'number'], 'connection': [41, 'text'], 'match': [42, 'text'], 'groups': [43, 'number'],
	'client': [48, 'text'], 'names': [49, 'number'],
};

const ANSWER_TABLE = {
	'revision': [1, 'number'], 'answer': [2, 'number'], 'code': [3, 'number'], 'reason': [4, 'text'],
	'role': [5, 'text'], 'through': [6, 'text'], 'scope-id': [7, 'id'], 'assignment-id': [8, 'id'],
	'team-id': [9, 'id*'], 'missing': [10, 'text'], 'own': [11, 'number'], 'answers': [12, 'raw'],
	'item': [13, 'fields*'], 'id': [14, 'id'], 'name': [15, 'text'], 'kind': [16, 'number'],
	'direct': [17, 'number'], 'permission': [18, 'text'], 'org': [19, 'text'], 'resource': [20, 'text'],
	'type': [21, 'text'], 'cursor': [22, 'raw'], 'version': [23, 'number'], 'created': [24, 'number'],
	'max-payload': [25, 'number'], 'max-requests': [26, 'number'], 'max-items': [27, 'number'],
	'heartbeat': [28, 'number'], 'server': [29, 'text'], 'actor': [30, 'text'],
	'status': [32, 'number'], 'error': [33, 'text'], 'message': [34, 'text'], 'field': [35, 'text'],
	'retry-after': [36, 'number'], 'sync': [37, 'number'], 'action': [38, 'number'], 'count': [39, 'number'],
	'data': [40, 'raw'], 'time': [41, 'number'], 'event': [42, 'number'], 'group-id': [43, 'id'],
	'more': [44, 'number'], 'snapshot': [45, 'number'], 'settled': [46, 'number'],
};

export const CODES = {
	granted: 1, missing: 2, own_only: 3, elsewhere: 4, off: 5, token: 6, not_here: 7,
	unknown_subject: 16, ambiguous_subject: 17, inactive_subject: 18, unknown_permission: 19,
	unknown_scope: 20, ambiguous_scope: 21, unknown_resource: 22, unknown_group: 23, ambiguous_group: 24,
	direct: 40, nested: 41, not_member: 42, error: 62, malformed: 63,
};

export const KINDS = { number: 0, text: 1, raw: 1, fields: 1, id: 2 };
export const VIEWS = { records: 0, membership: 1, permission: 2 };
export const SUBJECT_KINDS = { member: 0, person: 1, team: 2 };
export const EVENTS = { put: 1, gone: 2, 'member-added': 3, 'member-removed': 4, gained: 5, lost: 6 };
export const ACTIONS = {
	create: 1, change: 2, remove: 3, unchanged: 4, 'membership-added': 5, 'membership-removed': 6,
};

/** Names by number. One that is not known yet is told as its number in digits. */
export function naming(table) {
	const names = [];
	for (const [name, number] of Object.entries(table))
		names[number] = name;
	return (number) => names[number] ?? String(number);
}

export const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());

/**
 * A table of fields both ways: `byName` in camelCase, for encoding; `byTag`, by the byte that stands before the
 * value, for decoding. `strictBelow`: an unknown field with a lower number is refused.
 */
function fieldTable(rows, strictBelow) {
	const byName = new Map(), byTag = new Array(256), kindOf = new Array(64);
	for (const [wire, [number, type]] of Object.entries(rows)) {
		const list = type.endsWith('*'), value = list ? type.slice(0, -1) : type;
		const field = { wire, name: camel(wire), number, value, list, tag: KINDS[value] * 64 + number };
		byName.set(field.name, field);
		byTag[field.tag] = field;
		kindOf[number] = KINDS[value];
	}
	return { byName, byTag, kindOf, strictBelow };
}

export const REQUEST = fieldTable(REQUEST_TABLE, 48);
export const ANSWER = fieldTable(ANSWER_TABLE, 0);
