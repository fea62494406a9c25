// The codec against a plain one that is driven by the document's tables, at random; and what must be refused.

import assert from 'node:assert/strict';
import test from 'node:test';
import * as codec from '../../../tools/clients/node/lib/codec.js';
import { RosterError } from '../../../tools/clients/node/index.js';
import * as plain from './plain.js';
import { SEED, randomness } from './random.js';

const bytes = (hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const refused = (name, field) => (error) => error instanceof RosterError && error.error === name &&
	error.message.length > 0 && (field === undefined || error.field === field);

// ---- At random ----

const random = randomness();
const TEXTS = ['', 'a', 'ada@example.com', 'S\u00f6hne', '\u6c34'.repeat(14), '\u6c34'.repeat(15), '\u6c34'.repeat(42), '\u6c34'.repeat(43), '\ud83d\ude00', 'x'.repeat(42), 'x'.repeat(43),
	'y'.repeat(127), 'z'.repeat(128), '\ufeffbom', '\u0000', 'w'.repeat(20000)];
const NUMBERS = [0, 1, 127, 128, 16383, 16384, 2 ** 49 - 1, 2 ** 49, 2 ** 53 - 1, 2n ** 53n, 2n ** 56n, 2n ** 63n, 2n ** 64n - 1n];

function randomNumber() {
	const value = random.chance(50) ? BigInt(random.pick(NUMBERS)) : random.u64() >> BigInt(random.below(64));
	return value > 9007199254740991n ? value : Number(value);
}

function randomValue(field, fields) {
	if (field.value === 'item')
		return randomFields(fields.filter((each) => each.value !== 'item'), 3);
	if (field.kind === 0)
		return randomNumber();
	if (field.kind === 2)
		return random.bytes(16).toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
	return field.value === 'raw' ? random.bytes(random.below(300)) : random.pick(TEXTS);
}

function randomFields(fields, most) {
	const values = {};
	for (let count = random.below(most + 1); count > 0; count--) {
		const field = random.pick(fields);
		values[field.name] = field.list ? Array.from({ length: 1 + random.below(3) }, () => randomValue(field, fields))
			: randomValue(field, fields);
	}
	return values;
}

for (const [name, fields, table] of [['requests', plain.REQUEST, codec.REQUEST], ['answers', plain.ANSWER, codec.ANSWER]])
	test(`random ${name}: the same bytes as the plain codec, and back (ROSTER_SEED=${SEED})`, () => {
		for (let round = 0; round < 2000; round++) {
			const values = randomFields(fields, 8), type = random.below(256), id = random.below(2 ** 32), flags = random.below(4);
			const frame = codec.encodeFrame(type, id, flags, values, table);
			assert.equal(frame.toString('hex'), plain.encode(type, id, flags, values, fields).toString('hex'));
			assert.deepEqual(codec.decodeFields(frame.subarray(12), table), values);
		}
	});

test(`frames are found however their bytes are cut (ROSTER_SEED=${SEED})`, () => {
	for (let round = 0; round < 200; round++) {
		const sent = Array.from({ length: 1 + random.below(8) }, (_, id) => ({
			type: random.below(256), id, flags: random.below(4), payload: random.bytes(random.pick([0, 1, 11, 12, 13, 500, 3000])),
		}));
		const stream = Buffer.concat(sent.map((one) => plain.frame(one.type, one.id, one.flags, one.payload)));
		const reader = new codec.FrameReader(), got = [], most = random.pick([1, 7, 100, 5000]);
		for (let at = 0; at < stream.length;) {
			const end = Math.min(stream.length, at + 1 + random.below(most));
			reader.push(stream.subarray(at, end));
			at = end;
			for (let frame; (frame = reader.next()) !== undefined;)
				got.push(frame);
		}
		assert.deepEqual(got.map((one) => ({ ...one, payload: one.payload.toString('hex') })),
			sent.map((one) => ({ ...one, payload: one.payload.toString('hex') })));
	}
});

test(`random bytes are decoded or refused, nothing else (ROSTER_SEED=${SEED})`, () => {
	let decoded = 0, malformed = 0;
	for (let round = 0; round < 20000; round++) {
		const payload = random.bytes(random.below(12));
		try {
			const values = codec.decodeFields(payload, random.chance(50) ? codec.REQUEST : codec.ANSWER);
			assert.equal(typeof values, 'object');
			decoded++;
		} catch (error) {
			assert.ok(refused('MALFORMED')(error), error.stack);
			malformed++;
		}
	}
	assert.ok(decoded > 100 && malformed > 100);
});

// ---- What cannot be decoded ----

const MALFORMED = {
	'kind 3': 'c1',
	'a known field of another kind': '41 01 61',
	'a number cut': '01 80',
	'a number missing': '01',
	'a number not in its shortest form': '01 80 00',
	'zero in two bytes': '01 81 80 00',
	'a number of 65 bits': '01 ff ff ff ff ff ff ff ff ff 02',
	'a number of 11 bytes': '01 80 80 80 80 80 80 80 80 80 80 01',
	'a text cut': '44 05 61',
	'a text without its length': '44',
	'a length of 2^64 - 1': '44 ff ff ff ff ff ff ff ff ff 01',
	'a length in too many bytes': '44 81 00 61',
	'an id cut': '8e 01 89 0a',
	'a field twice': '01 01 01 01',
	'zero twice': '01 00 01 00',
	'no UTF-8': '44 02 c3 28',
	'a surrogate in UTF-8': '44 03 ed a0 80',
	'an overlong letter in a long text': '44 18 c1 81 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61',
	'an item within an item': '4d 02 4d 00',
	'a broken item': '4d 02 44 05',
	'an unknown field that is cut': '7f 05 00',
	'an unknown field of kind 3': 'ff',
};

for (const [name, hex] of Object.entries(MALFORMED))
	test(`refused in an answer: ${name}`, () => {
		assert.throws(() => codec.decodeFields(bytes(hex)), refused('MALFORMED'));
	});

test('unknown fields: passed over in answers, in requests from 48 on', () => {
	const unknown = '2f 81 01 7f 02 61 62 bf 01890a5dac96774bbcceb302099a8057 2f 01';
	assert.deepEqual(codec.decodeFields(bytes(unknown + '01 05')), { revision: 5 });
	assert.deepEqual(codec.decodeFields(bytes('3f 01 7e 00 02 05'), codec.REQUEST), { revision: 5 });
	for (const hex of ['2c 01', '6c 00', 'ac 01890a5dac96774bbcceb302099a8057', '6f 00'])
		assert.throws(() => codec.decodeFields(bytes(hex), codec.REQUEST), refused('MALFORMED'));
});

test('the head of a frame: reserved bits, too long', () => {
	for (const hex of ['00000000 10 04 0000 00000001', '00000000 10 80 0000 00000001', '00000000 10 01 0100 00000001',
		'00000000 10 01 0001 00000001', '00400001 10 01 0000 00000001', 'ffffffff 10 01 0000 00000001']) {
		const reader = new codec.FrameReader();
		reader.push(bytes(hex));
		assert.throws(() => reader.next(), refused('MALFORMED'), hex);
	}
	const reader = new codec.FrameReader();
	reader.push(bytes('00400000 10 01 0000 00000001'));
	assert.equal(reader.next(), undefined);
});

// ---- What cannot be encoded ----

const INVALID = [
	['revision', -1], ['revision', 1.5], ['revision', 2 ** 53], ['revision', 2n ** 64n], ['revision', -1n], ['revision', '5'], ['revision', NaN],
	['org', 5], ['org', 'a\ud800'], ['org', Buffer.from('a')], ['cursor', 7], ['subject-id', 'ada'], ['subject-id', 5],
	['subject-id', '01890a5d-ac96-774b-bcce-b302099a805'], ['subject-id', '01890a5dac96774bbcceb302099a8057'],
];

for (const [field, value] of INVALID)
	test(`cannot be sent: ${field} ${typeof value === 'bigint' ? value + 'n' : JSON.stringify(value)}`, () => {
		assert.throws(() => codec.encodeFrame(16, 1, 1, { [codec.camel(field)]: value }), refused('INVALID_VALUE', field));
	});

test('fields that there are not are named', () => {
	assert.throws(() => codec.encodeFrame(16, 1, 1, { 'subject-id': 'x' }), refused('INVALID_VALUE', 'subject-id'));
	assert.throws(() => codec.encodeFrame(16, 1, 1, { user: 'x' }), refused('INVALID_VALUE', 'user'));
	assert.throws(() => codec.encodeFrame(16, 1, 1, { item: [{ item: [{}] }] }), refused('INVALID_VALUE', 'item'));
	assert.throws(() => codec.encodeFrame(16, 1, 1, { item: [5] }), refused('INVALID_VALUE', 'item'));
});

test('true is 1, false 0; undefined and null are left out', () => {
	assert.equal(codec.encodeFrame(18, 1, 1, { direct: true, names: false, org: undefined, group: null }).subarray(12).toString('hex'), '14013100');
});

test('numbers: safe ones are numbers, others BigInts', () => {
	const back = (value) => codec.decodeFields(plain.payload({ revision: value }, plain.ANSWER)).revision;
	assert.equal(back(2n ** 53n - 1n), Number.MAX_SAFE_INTEGER);
	assert.equal(back(2n ** 53n), 2n ** 53n);
	assert.equal(back(2n ** 64n - 1n), 18446744073709551615n);
	assert.equal(codec.encodeFrame(16, 1, 1, { revision: 5n }).toString('hex'), codec.encodeFrame(16, 1, 1, { revision: 5 }).toString('hex'));
});
