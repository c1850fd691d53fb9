import { StorageError } from "./errors.ts";
import type { ByteRange, SuffixRange } from "./store.ts";

/**
 * The part of an object of `size` bytes that a range asks for, cut at its ends.
 * @throws StorageError STORAGE_RANGE_INVALID for anything but whole numbers from 0 on
 */
export function spanOf(
	range: ByteRange | SuffixRange | undefined,
	size: number,
): ByteRange {
	if (range === undefined) return { start: 0, end: size };
	check(range);
	if ("suffix" in range)
		return { start: Math.max(0, size - range.suffix), end: size };
	const start = Math.min(range.start, size);
	return { start, end: Math.max(start, Math.min(range.end, size)) };
}

/** The HTTP header (RFC 9110, section 14.1.2); `undefined` for a range without a byte, which it can't say. */
export function rangeHeader(
	range: ByteRange | SuffixRange,
): string | undefined {
	check(range);
	if ("suffix" in range)
		return range.suffix === 0 ? undefined : `bytes=-${range.suffix}`;
	return range.end <= range.start
		? undefined
		: `bytes=${range.start}-${range.end - 1}`;
}

function check(range: ByteRange | SuffixRange): void {
	for (const [name, value] of Object.entries(range))
		if (!Number.isSafeInteger(value) || value < 0)
			throw new StorageError(
				"STORAGE_RANGE_INVALID",
				`${name} of a byte range is ${value}: it must be a whole number from 0 on`,
			);
}
