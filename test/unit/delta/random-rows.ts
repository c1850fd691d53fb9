/** Kinds of sets of rows that bitmaps hold in different ways. */
export const SHAPES = [
	"no",
	"few",
	"sparse",
	"dense",
	"runs of",
	"all",
	"mixed",
	"the last",
] as const;
export type Shape = (typeof SHAPES)[number];

/** Ascending, without repeats; in a few containers of 65536, some far from each other. */
export function randomRows(shape: Shape, random: () => number): Uint32Array {
	const rows = new Set<number>();
	const int = (limit: number): number => Math.floor(random() * limit);
	const some = (count: number, from: number, limit: number): void => {
		for (let i = 0; i < count; i++) rows.add(from + int(limit));
	};
	const run = (from: number, length: number): void => {
		for (let i = 0; i < length; i++) rows.add(from + i);
	};
	switch (shape) {
		case "no":
			break;
		case "few":
			some(1 + int(50), 0, 10 ** (1 + int(6)));
			break;
		case "sparse":
			some(int(3000), 0, 2 ** 32);
			break;
		case "dense":
			some(4000 + int(20_000), int(3) * 65_536, 65_536);
			break;
		case "runs of":
			for (let i = 0; i < 1 + int(20); i++) run(int(300_000), 1 + int(3000));
			break;
		case "all":
			run(0, 1 + int(140_000));
			break;
		case "mixed":
			some(100, 0, 1_000_000);
			some(6000, 65_536 * int(5), 65_536);
			run(65_536 * int(9) + int(60_000), int(9000));
			break;
		case "the last":
			rows.add(2 ** 32 - 1);
			some(int(3), 2 ** 32 - 65_536, 65_536);
			break;
	}
	return Uint32Array.from(rows).sort();
}

/** Whether the rows are the same; matchers of the test runner take long for many. */
export function sameRows(a: Uint32Array, b: Uint32Array): boolean {
	return a.length === b.length && a.every((row, i) => row === b[i]);
}
