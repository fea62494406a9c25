// roster/1 once more, the slowest and plainest way: driven by the tables of docs/PROTOCOL.md, numbers as BigInts. The
// oracle of the codec's tests, and the language of the scripted server.

import * as document from './document.js';

const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
const TYPES = Object.fromEntries(document.types().map(([number, name]) => [name, number]));
const NAMES = Object.fromEntries(Object.entries(TYPES).map(([name, number]) => [number, name]));
const RAW = new Set(['cursor', 'answers', 'data']);

function table(rows) {
	return rows.map(([number, wire, kind]) => ({
		number, name: camel(wire), list: kind.endsWith('*'), kind: { n: 0, b: 1, i: 2 }[kind[0]],
		value: wire === 'item' ? 'item' : RAW.has(wire) ? 'raw' : 'text',
	}));
}

export const REQUEST = table(document.requestFields());
export const ANSWER = table(document.answerFields());

export function number(value) {
	const bytes = [];
	for (value = BigInt(value); ; value /= 128n) {
		if (value < 128n)
			return Buffer.from([...bytes, Number(value)]);
		bytes.push(Number(value % 128n) + 128);
	}
}

function one(field, value, fields) {
	const tag = Buffer.from([field.kind * 64 + field.number]);
	if (field.kind === 0)
		return Buffer.concat([tag, number(value)]);
	if (field.kind === 2)
		return Buffer.concat([tag, Buffer.from(value.replaceAll('-', ''), 'hex')]);
	const bytes = field.value === 'item' ? payload(value, fields) : Buffer.from(value);
	return Buffer.concat([tag, number(bytes.length), bytes]);
}

export function payload(values, fields) {
	return Buffer.concat(Object.entries(values).flatMap(([name, value]) => {
		const field = fields.find((candidate) => candidate.name === name);
		return field.list ? value.map((each) => one(field, each, fields)) : [one(field, value, fields)];
	}));
}

/** A frame whose payload is given as bytes, and whose type may be one that there is not. */
export function frame(type, id, flags, bytes) {
	const head = Buffer.alloc(12);
	head.writeUInt32BE(bytes.length, 0);
	head.writeUInt8(TYPES[type] ?? type, 4);
	head.writeUInt8(flags, 5);
	head.writeUInt32BE(id, 8);
	return Buffer.concat([head, bytes]);
}

export const encode = (type, id, flags, values, fields) => frame(type, id, flags, payload(values, fields));

export function decode(bytes, fields) {
	const values = {};
	const take = (length) => {
		const part = bytes.subarray(0, length);
		bytes = bytes.subarray(length);
		return part;
	};
	const readNumber = () => {
		let value = 0n;
		for (let shift = 0n; ; shift += 7n) {
			const [byte] = take(1);
			value += BigInt(byte % 128) << shift;
			if (byte < 128)
				return value > 9007199254740991n ? value : Number(value);
		}
	};
	while (bytes.length > 0) {
		const [tag] = take(1), field = fields.find((each) => each.kind * 64 + each.number === tag);
		let value;
		if (field.kind === 0) {
			value = readNumber();
		} else if (field.kind === 2) {
			value = take(16).toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
		} else {
			value = Buffer.from(take(readNumber()));
			value = field.value === 'item' ? decode(value, fields) : field.value === 'raw' ? value : value.toString();
		}
		if (field.list)
			(values[field.name] ??= []).push(value);
		else
			values[field.name] = value;
	}
	return values;
}

/** The requests that a stream of bytes holds so far, and the bytes behind them. */
export function requests(bytes) {
	const found = [];
	while (bytes.length >= 12 && bytes.length >= 12 + bytes.readUInt32BE(0)) {
		const end = 12 + bytes.readUInt32BE(0);
		found.push({ type: NAMES[bytes[4]], flags: bytes[5], id: bytes.readUInt32BE(8), fields: decode(bytes.subarray(12, end), REQUEST) });
		bytes = bytes.subarray(end);
	}
	return [found, bytes];
}
