/** `; did you mean X?`, or nothing when no name is like it. */
export function suggestion(name: string, names: Iterable<string>): string {
	const near = nearest(name, names);
	return near === undefined ? "" : `; did you mean ${near}?`;
}

/** The name that takes the fewest changes, a third of its letters at most; case counts for nothing. */
export function nearest(
	name: string,
	names: Iterable<string>,
): string | undefined {
	let found: string | undefined;
	let least = Math.max(1, Math.floor(name.length / 3)) + 1;
	for (const each of names) {
		const changes = distance(name.toLowerCase(), each.toLowerCase());
		if (changes < least) {
			least = changes;
			found = each;
		}
	}
	return found;
}

/** Letters to be added, left out, changed, or swapped with the next, to make one text the other. */
function distance(a: string, b: string): number {
	let before: number[] = [];
	let last = Array.from({ length: b.length + 1 }, (_, i) => i);
	for (let i = 1; i <= a.length; i++) {
		const row = [i];
		for (let j = 1; j <= b.length; j++) {
			const same = a[i - 1] === b[j - 1] ? 0 : 1;
			let least = Math.min(
				(row[j - 1] ?? 0) + 1,
				(last[j] ?? 0) + 1,
				(last[j - 1] ?? 0) + same,
			);
			if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] && j > 1 && i > 1)
				least = Math.min(least, (before[j - 2] ?? 0) + 1);
			row.push(least);
		}
		before = last;
		last = row;
	}
	return last[b.length] ?? 0;
}
