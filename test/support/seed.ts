/** A seeded source of numbers in [0, 1) (xorshift32); the same seed gives the same numbers anywhere. */
export function generator(seed: number): () => number {
	// Neighbouring seeds are to begin differently.
	let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0 || 1;
	return () => {
		state ^= state << 13;
		state >>>= 0;
		state ^= state >>> 17;
		state ^= state << 5;
		state >>>= 0;
		return state / 2 ** 32;
	};
}

/** The seed of a run: SEED, or a new one. */
export function seedOf(environment: NodeJS.ProcessEnv = process.env): number {
	return Number(environment.SEED ?? Math.floor(Math.random() * 2 ** 31));
}
