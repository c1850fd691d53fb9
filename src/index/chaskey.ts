/*
 * Chaskey's permutation and MAC (Mouha et al., SAC 2014) over four 32-bit words, little-endian, with
 * 12 rounds. A block alone goes through the keyed permutation, which is one to one: 16 bytes in, 16
 * uniform bytes out, and no two blocks meet. Longer input is chained, a hash of 128 bits that nobody
 * without the seed can make collide.
 */

/** Four words. */
export type Seed = Uint32Array;

const ROUNDS = 12;

/** The state that the functions here work on and leave their result in. */
export const state = new Uint32Array(4);

/** The image of one block, unlike that of every other block. */
export function permuteBlock(
	seed: Seed,
	w0: number,
	w1: number,
	w2: number,
	w3: number,
): void {
	const s0 = seed[0] as number;
	const s1 = seed[1] as number;
	const s2 = seed[2] as number;
	const s3 = seed[3] as number;
	permute(w0 ^ s0, w1 ^ s1, w2 ^ s2, w3 ^ s3);
	state[0] = (state[0] as number) ^ s0;
	state[1] = (state[1] as number) ^ s1;
	state[2] = (state[2] as number) ^ s2;
	state[3] = (state[3] as number) ^ s3;
}

/** The hash of bytes of any length. */
export function hashBytes(seed: Seed, bytes: Uint8Array): void {
	state.set(seed);
	const blocks = Math.max(1, Math.ceil(bytes.length / 16));
	for (let at = 0; at < (blocks - 1) * 16; at += 16)
		permute(
			(state[0] as number) ^ word(bytes, at),
			(state[1] as number) ^ word(bytes, at + 4),
			(state[2] as number) ^ word(bytes, at + 8),
			(state[3] as number) ^ word(bytes, at + 12),
		);
	const last = new Uint8Array(16);
	const rest = bytes.subarray((blocks - 1) * 16);
	last.set(rest);
	const full = rest.length === 16;
	if (!full) last[rest.length] = 1;
	// Whole and padded last blocks are told apart by their subkey.
	const key = double(seed, full ? 1 : 2);
	permute(
		(state[0] as number) ^ word(last, 0) ^ (key[0] as number),
		(state[1] as number) ^ word(last, 4) ^ (key[1] as number),
		(state[2] as number) ^ word(last, 8) ^ (key[2] as number),
		(state[3] as number) ^ word(last, 12) ^ (key[3] as number),
	);
	for (let i = 0; i < 4; i++)
		state[i] = (state[i] as number) ^ (key[i] as number);
}

function permute(a: number, b: number, c: number, d: number): void {
	let v0 = a;
	let v1 = b;
	let v2 = c;
	let v3 = d;
	for (let round = 0; round < ROUNDS; round++) {
		v0 = (v0 + v1) | 0;
		v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
		v0 = (v0 << 16) | (v0 >>> 16);
		v2 = (v2 + v3) | 0;
		v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
		v0 = (v0 + v3) | 0;
		v3 = ((v3 << 13) | (v3 >>> 19)) ^ v0;
		v2 = (v2 + v1) | 0;
		v1 = ((v1 << 7) | (v1 >>> 25)) ^ v2;
		v2 = (v2 << 16) | (v2 >>> 16);
	}
	state[0] = v0;
	state[1] = v1;
	state[2] = v2;
	state[3] = v3;
}

/** The seed times two in GF(2^128), `times` times. */
function double(seed: Seed, times: number): Uint32Array {
	const key = Uint32Array.from(seed);
	for (let n = 0; n < times; n++) {
		const carry = (key[3] as number) >>> 31;
		for (let i = 3; i > 0; i--)
			key[i] = ((key[i] as number) << 1) | ((key[i - 1] as number) >>> 31);
		key[0] = ((key[0] as number) << 1) ^ (carry === 1 ? 0x87 : 0);
	}
	return key;
}

function word(bytes: Uint8Array, at: number): number {
	return (
		(bytes[at] as number) |
		((bytes[at + 1] as number) << 8) |
		((bytes[at + 2] as number) << 16) |
		((bytes[at + 3] as number) << 24)
	);
}
