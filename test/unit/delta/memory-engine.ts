import type { Engine } from "../../../src/delta/engine.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";

/** An engine over a store in memory, with the ranges that were read of each path. */
export function memoryEngine(
	options: { readonly now?: () => number; readonly random?: () => number } = {},
): Engine & { readonly reads: string[] } {
	const store = openMemoryStore(
		options.now === undefined ? {} : { now: options.now },
	);
	const reads: string[] = [];
	let ids = 0;
	return {
		reads,
		store: {
			...store,
			get: (path, request) => {
				const range = request?.range;
				reads.push(
					range === undefined || !("start" in range)
						? path
						: `${path} ${range.start}-${range.end}`,
				);
				return store.get(path, request);
			},
		},
		now: options.now ?? (() => 1),
		uuid: () =>
			`00000000-0000-4000-8000-${(ids++).toString(16).padStart(12, "0")}`,
		sleep: async () => {},
		random: options.random ?? (() => 0.5),
	};
}
