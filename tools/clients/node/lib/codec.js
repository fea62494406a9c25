// Frames and fields of roster/1 (docs/PROTOCOL.md) as bytes, and back. Pure: no sockets, no clock, no state but that
// of a FrameReader. What cannot be encoded throws INVALID_VALUE with the field; what cannot be decoded, MALFORMED.

import { ANSWER, KINDS, REQUEST } from './numbers.js';
import { RosterError, invalid, malformed } from './error.js';

export const HEAD = 12;
export const LAST = 1;
export const ERROR = 2;
export const MAX_ANSWER = 4 * 1024 * 1024;

const MAX_U64 = (1n << 64n) - 1n;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// ---- Encoding ----

/** Bytes that grow. */
class Writer {
	constructor(size) {
		this.bytes = Buffer.allocUnsafe(size);
		this.length = 0;
	}

	room(more) {
		if (this.length + more <= this.bytes.length)
			return;
		const wider = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.length + more));
		this.bytes.copy(wider, 0, 0, this.length);
		this.bytes = wider;
	}

	number(value) {
		this.room(10);
		while (value >= 128) {
			const low = value % 128;
			this.bytes[this.length++] = 128 + low;
			value = (value - low) / 128;
		}
		this.bytes[this.length++] = value;
	}

	big(value) {
		this.room(10);
		for (; value >= 128n; value >>= 7n)
			this.bytes[this.length++] = 128 + Number(value & 127n);
		this.bytes[this.length++] = Number(value);
	}

	text(value) {
		if (value.length > 42) // its length may need two bytes and more: measure first
			return this.raw(Buffer.from(value, 'utf8'));
		this.room(1 + 3 * value.length);
		const length = this.bytes.write(value, this.length + 1, 'utf8');
		this.bytes[this.length] = length;
		this.length += 1 + length;
	}

	raw(value) {
		this.number(value.length);
		this.room(value.length);
		this.bytes.set(value, this.length);
		this.length += value.length;
	}
}

const WRITE = {
	number(writer, value, field) {
		if (typeof value === 'boolean')
			value = value ? 1 : 0;
		if (Number.isSafeInteger(value) && value >= 0)
			writer.number(value);
		else if (typeof value === 'bigint' && value >= 0n && value <= MAX_U64)
			writer.big(value);
		else
			throw invalid(field.wire, `${field.wire}: ${String(value)} is no whole number from 0 to 2^64 - 1 (above 2^53 - 1: a BigInt)`);
	},
	text(writer, value, field) {
		if (typeof value !== 'string')
			throw invalid(field.wire, `${field.wire} must be a string`);
		if (/[\ud800-\udfff]/.test(value) && hasLoneSurrogate(value))
			throw invalid(field.wire, `${field.wire} holds half of a surrogate pair`);
		writer.text(value);
	},
	raw(writer, value, field) {
		if (typeof value === 'string')
			value = Buffer.from(value, 'utf8');
		if (!(value instanceof Uint8Array))
			throw invalid(field.wire, `${field.wire} must be bytes (a Uint8Array)`);
		writer.raw(value);
	},
	id(writer, value, field) {
		if (typeof value !== 'string' || !UUID.test(value))
			throw invalid(field.wire, `${field.wire}: ${JSON.stringify(value)} is no UUID`);
		writer.room(16);
		writer.bytes.write(value.replaceAll('-', ''), writer.length, 16, 'hex');
		writer.length += 16;
	},
	fields(writer, value, field, table) {
		const inner = new Writer(128);
		writeFields(inner, value, table, false);
		writer.raw(inner.bytes.subarray(0, inner.length));
	},
};

const hasLoneSurrogate = (text) => Buffer.from(text, 'utf8').toString('utf8') !== text;

function writeValue(writer, field, value, table) {
	writer.room(1);
	writer.bytes[writer.length++] = field.tag;
	WRITE[field.value](writer, value, field, table);
}

function writeFields(writer, values, table, outer) {
	if (values === null || typeof values !== 'object')
		throw invalid('item', 'the fields of a frame or item must be an object');
	for (const name in values) {
		const value = values[name], field = table.byName.get(name);
		if (value === undefined || value === null)
			continue;
		if (field === undefined || (!outer && field.value === 'fields'))
			throw invalid(name, `there is no field ${name} ${outer ? 'in this protocol' : 'in an item'}`);
		if (field.list && Array.isArray(value))
			for (const one of value)
				writeValue(writer, field, one, table);
		else
			writeValue(writer, field, value, table);
	}
}

/**
 * One frame. `fields` by their names in camelCase, written in the order of the object; lists are arrays (or one
 * value); undefined and null are left out; true is 1. `table` is REQUEST, or ANSWER for servers.
 */
export function encodeFrame(type, id, flags, fields, table = REQUEST) {
	const writer = new Writer(256);
	writer.length = HEAD;
	writeFields(writer, fields, table, true);
	if (writer.length - HEAD > 0xffffffff)
		throw new RosterError({ status: 413, error: 'TOO_LARGE', message: 'a payload has at most 2^32 - 1 bytes' });
	const { bytes } = writer;
	bytes.writeUInt32BE(writer.length - HEAD, 0);
	bytes[4] = type;
	bytes[5] = flags;
	bytes.writeUInt16BE(0, 6);
	bytes.writeUInt32BE(id, 8);
	return bytes.subarray(0, writer.length);
}

// ---- Decoding ----

class Reader {
	constructor(bytes) {
		this.bytes = bytes;
		this.at = 0;
	}

	take(length) {
		if (length > this.bytes.length - this.at)
			throw malformed('a value reaches beyond the end of its payload');
		const begin = this.at;
		this.at += length;
		return begin;
	}

	/** A number when it is safe (below 2^53), otherwise a BigInt. */
	number() {
		let value = 0, factor = 1;
		for (let count = 1; ; count++, factor *= 128) {
			const byte = this.bytes[this.take(1)];
			if (count === 8 && (byte >= 128 || byte > 15)) {
				this.at -= 8;
				return this.big();
			}
			value += (byte & 127) * factor;
			if (byte < 128)
				return shortest(value, byte, count);
		}
	}

	big() {
		let value = 0n;
		for (let count = 1; count <= 10; count++) {
			const byte = this.bytes[this.take(1)];
			value += BigInt(byte & 127) << BigInt(7 * (count - 1));
			if (byte < 128) {
				if (value > MAX_U64)
					throw malformed('a number is longer than 64 bits');
				return shortest(value, byte, count);
			}
		}
		throw malformed('a number is longer than 10 bytes');
	}

	raw() {
		const length = this.number();
		if (typeof length === 'bigint')
			throw malformed('a value reaches beyond the end of its payload');
		const begin = this.take(length);
		return this.bytes.subarray(begin, begin + length);
	}
}

function shortest(value, last, count) {
	if (last === 0 && count > 1)
		throw malformed('a number is not in its shortest form');
	return value;
}

function readText(bytes, field) {
	if (bytes.length < 24) { // faster for short ones, when they are ASCII
		let ascii = true;
		for (let at = 0; ascii && at < bytes.length; at++)
			ascii = bytes[at] < 128;
		if (ascii)
			return bytes.toString('latin1');
	}
	try {
		return utf8.decode(bytes);
	} catch {
		throw malformed(`${field.wire} is not UTF-8`);
	}
}

function readUuid(bytes, at) {
	const hex = bytes.toString('hex', at, at + 16);
	return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const READ = {
	number: (reader) => reader.number(),
	text: (reader, field) => readText(reader.raw(), field),
	raw: (reader) => reader.raw(),
	id: (reader) => readUuid(reader.bytes, reader.take(16)),
	fields(reader, field, table) {
		return readFields(reader.raw(), table, false);
	},
};

/** Goes over the value of a field that is not known, or throws when it must not be ignored. */
function passOver(reader, tag, table) {
	const kind = tag >> 6, number = tag & 63;
	if (kind === 3)
		throw malformed('a field of kind 3');
	if (table.kindOf[number] !== undefined)
		throw malformed(`field ${number} has kind ${kind}, not ${table.kindOf[number]}`);
	if (number < table.strictBelow)
		throw malformed(`field ${number} is not known`);
	if (kind === KINDS.number)
		reader.number();
	else if (kind === KINDS.id)
		reader.take(16);
	else
		reader.raw();
}

function readFields(bytes, table, outer) {
	const reader = new Reader(bytes), values = {};
	while (reader.at < bytes.length) {
		const tag = bytes[reader.at++], field = table.byTag[tag];
		if (field === undefined) {
			passOver(reader, tag, table);
			continue;
		}
		if (field.value === 'fields' && !outer)
			throw malformed('an item within an item');
		const value = READ[field.value](reader, field, table);
		if (field.list)
			(values[field.name] ??= []).push(value);
		else if (values[field.name] !== undefined)
			throw malformed(`${field.wire} comes twice`);
		else
			values[field.name] = value;
	}
	return values;
}

/** The fields of a payload by their names in camelCase. Lists are arrays; bytes are views into the payload. */
export const decodeFields = (payload, table = ANSWER) => readFields(payload, table, true);

/**
 * Cuts a stream of bytes into frames. After push(), next() gives { type, flags, id, payload } until it gives
 * undefined: more bytes are needed then. Throws MALFORMED when the framing is lost; nothing can be read after that.
 */
export class FrameReader {
	#bytes = Buffer.alloc(0);
	#at = 0;
	#chunks = []; // behind #bytes, not yet joined
	#behind = 0;
	#limit;

	constructor(limit = MAX_ANSWER) {
		this.#limit = limit;
	}

	push(bytes) {
		if (this.#at === this.#bytes.length && this.#chunks.length === 0) {
			this.#bytes = bytes;
			this.#at = 0;
		} else {
			this.#chunks.push(bytes);
			this.#behind += bytes.length;
		}
	}

	/** Whether `length` bytes are there in one piece. Joins only when that makes it so: long payloads are copied once. */
	#have(length) {
		const left = this.#bytes.length - this.#at;
		if (left >= length)
			return true;
		if (left + this.#behind < length)
			return false;
		this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at), ...this.#chunks]);
		this.#at = this.#behind = 0;
		this.#chunks = [];
		return true;
	}

	next() {
		if (!this.#have(HEAD))
			return undefined;
		const bytes = this.#bytes, at = this.#at;
		const length = bytes.readUInt32BE(at), flags = bytes[at + 5];
		if (flags > (LAST | ERROR) || bytes[at + 6] !== 0 || bytes[at + 7] !== 0)
			throw malformed('reserved bits are set in the head of a frame');
		if (length > this.#limit)
			throw malformed(`a payload of ${length} bytes, more than ${this.#limit}`);
		if (!this.#have(HEAD + length))
			return undefined;
		const from = this.#at, begin = from + HEAD;
		this.#at = begin + length;
		return {
			type: this.#bytes[from + 4],
			flags,
			id: this.#bytes.readUInt32BE(from + 8),
			payload: this.#bytes.subarray(begin, begin + length),
		};
	}
}

export { ACTIONS, ANSWER, CODES, EVENTS, REQUEST, SUBJECT_KINDS, TYPES, VIEWS, camel } from './numbers.js';
