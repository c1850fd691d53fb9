import type { DeadLetter } from "./dead-letter.ts";

/** The oldest first: by their offsets, or, where a topic was made anew, by when they came. */
export function byAge(letters: readonly DeadLetter[]): DeadLetter[] {
	return [...letters].sort(age);
}

/** Negative when the first is the older one. */
export function age(a: DeadLetter, b: DeadLetter): number {
	if (a.position === b.position)
		return a.offset < b.offset ? -1 : a.offset > b.offset ? 1 : 0;
	return a.firstTryMs - b.firstTryMs || (a.position < b.position ? -1 : 1);
}
