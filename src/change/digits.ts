/** Whether the four bytes of a word are digits. */
export function areDigits(word: number): boolean {
	// Digits are 0x30 to 0x39: the upper half is 3, also after 6 was added to the lower.
	return (
		((word & 0xf0f0f0f0) | 0) === 0x30303030 &&
		(((word + 0x06060606) & 0xf0f0f0f0) | 0) === 0x30303030
	);
}

/** The number that four digits in a little-endian word stand for. */
export function fourDigits(word: number): number {
	const lower = word & 0x0f0f0f0f;
	const pairs = (Math.imul(lower, 10) + (lower >>> 8)) & 0x00ff00ff;
	return (pairs & 0xff) * 100 + (pairs >>> 16);
}
