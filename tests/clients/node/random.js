// Repeatable randomness. ROSTER_SEED repeats a run; the seed is told by the test that fails.

export const SEED = Number(process.env.ROSTER_SEED ?? Math.floor(Math.random() * 2 ** 32));

export function randomness(seed = SEED) {
	let state = seed >>> 0;
	const next = () => { // mulberry32: 32 bits of state, good enough to choose test cases
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return (mixed ^ (mixed >>> 14)) >>> 0;
	};
	const below = (limit) => next() % limit;
	return {
		below,
		chance: (percent) => below(100) < percent,
		pick: (list) => list[below(list.length)],
		bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
		u64: () => (BigInt(next()) << 32n) + BigInt(next()),
	};
}
