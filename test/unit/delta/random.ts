/** Replays a failed property test: `PROPERTY_SEED=… vitest run …`. */
export const SEED = Number(
	process.env.PROPERTY_SEED ?? Math.floor(Date.now() % 2 ** 31),
);

export type Random = () => number;

/** Uniform in [0, 1), the same for the same seed. */
export function generator(seed: number): Random {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

export function pick<T>(random: Random, from: readonly T[]): T {
	return from[Math.floor(random() * from.length)] as T;
}

const ALPHABETS = [
	"abcXYZ019",
	" #%?/=:\\\"'*{}[]^+&;,.~$@!()<>|`",
	"\u0000\u0001\t\n\r\u001f\u007f\u0080\u00ff",
	"äß€漢字\ud7ff\ue000\ufffd\uffff",
	"\u{10000}\u{1f600}\u{10ffff}",
].map((letters) => [...letters]);

/** Text of up to `length` characters, at least one; nasty ones as often as others. */
export function textOf(random: Random, length: number): string {
	const count = 1 + Math.floor(random() * length);
	let text = "";
	for (let i = 0; i < count; i++) text += pick(random, pick(random, ALPHABETS));
	return text;
}

/** An integer of up to `bits` bits and either sign, small ones as often as large. */
export function integerOf(random: Random, bits: number): bigint {
	let value = 0n;
	const used = Math.floor(random() * (bits + 1));
	for (let bit = 0; bit < used; bit++)
		value = (value << 1n) | (random() < 0.5 ? 1n : 0n);
	return random() < 0.5 ? value : -value;
}
