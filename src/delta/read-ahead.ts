const MAX_WEIGHT = 64 << 20;
const MAX_COUNT = 8;

/**
 * Opens the next items while one is in use, in order: as many as weigh `maxWeight` together with it,
 * and at least one. What was opened and not handed out is closed when the caller stops; an error of
 * `open` comes out at the item's place.
 */
export async function* readAhead<T, R>(
	items: Iterable<T>,
	{
		weight,
		open,
		close,
		maxWeight = MAX_WEIGHT,
		maxCount = MAX_COUNT,
	}: {
		readonly weight: (item: T) => number;
		readonly open: (item: T) => Promise<R>;
		readonly close: (opened: R) => Promise<unknown>;
		readonly maxWeight?: number;
		/** Items open at once at most. */
		readonly maxCount?: number;
	},
): AsyncGenerator<readonly [T, R], void, undefined> {
	const source = items[Symbol.iterator]();
	const pending: { item: T; opened: Promise<R> }[] = [];
	let held = 0;
	let next = source.next();
	const fill = (): void => {
		for (
			;
			next.done !== true && pending.length < maxCount;
			next = source.next()
		) {
			const item = next.value;
			if (pending.length > 1 && held + weight(item) > maxWeight) return;
			held += weight(item);
			const opened = open(item);
			// Reported where it is awaited.
			opened.catch(() => undefined);
			pending.push({ item, opened });
		}
	};
	try {
		for (fill(); pending.length > 0; fill()) {
			const [{ item, opened }] = pending as [(typeof pending)[number]];
			const result = await opened;
			yield [item, result];
			pending.shift();
			held -= weight(item);
		}
	} finally {
		source.return?.();
		// The one that was handed out is the caller's.
		for (const { opened } of pending.slice(1))
			await opened.then(close).catch(() => undefined);
	}
}
