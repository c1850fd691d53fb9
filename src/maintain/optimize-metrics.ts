import type { AddFile } from "../delta/actions.ts";
import type { CarriedRewrite } from "./carry-deletions.ts";
import type { FileGroup } from "./file-groups.ts";

export interface OptimizeResult {
	/** After the last commit; that of the plan when there was none. */
	readonly version: number;
	readonly commits: number;
	/** What the plan wanted to write again. */
	readonly planned: {
		readonly groups: number;
		readonly files: number;
		readonly bytes: number;
	};
	readonly filesRemoved: number;
	readonly filesAdded: number;
	readonly bytesRemoved: number;
	readonly bytesAdded: number;
	readonly deletionVectorsRemoved: number;
	/** Rows that others deleted while their files were written again. */
	readonly rowsCarried: number;
	/** Groups that others changed all the time; the next run finds them again. */
	readonly leftOut: readonly {
		readonly files: number;
		readonly reason: string;
	}[];
}

/** What the commits of one run have done. */
export class OptimizeTally {
	#result: OptimizeResult;

	constructor(version: number, groups: readonly FileGroup[]) {
		this.#result = {
			version,
			commits: 0,
			planned: {
				groups: groups.length,
				files: groups.reduce((sum, { files }) => sum + files.length, 0),
				bytes: sizeOf(groups.flatMap(({ files }) => files)),
			},
			filesRemoved: 0,
			filesAdded: 0,
			bytesRemoved: 0,
			bytesAdded: 0,
			deletionVectorsRemoved: 0,
			rowsCarried: 0,
			leftOut: [],
		};
	}

	committed(version: number, { removes, adds, carried }: CarriedRewrite): void {
		const before = this.#result;
		this.#result = {
			...before,
			version,
			commits: before.commits + 1,
			filesRemoved: before.filesRemoved + removes.length,
			filesAdded: before.filesAdded + adds.length,
			bytesRemoved: before.bytesRemoved + sizeOf(removes),
			bytesAdded: before.bytesAdded + sizeOf(adds),
			deletionVectorsRemoved:
				before.deletionVectorsRemoved + vectorsOf(removes),
			rowsCarried: before.rowsCarried + carried,
		};
	}

	leftOut({ files }: FileGroup, reason: string): void {
		this.#result = {
			...this.#result,
			leftOut: [...this.#result.leftOut, { files: files.length, reason }],
		};
	}

	result(): OptimizeResult {
		return this.#result;
	}
}

/** `operationMetrics` of the commit, by the names that Spark gives them. */
export function operationMetrics({
	removes,
	adds,
}: Pick<CarriedRewrite, "removes" | "adds">): Record<string, string> {
	const sizes = adds.map(({ size }) => size).sort((a, b) => a - b);
	const at = (share: number): number =>
		sizes[Math.min(sizes.length - 1, Math.floor(sizes.length * share))] ?? 0;
	return Object.fromEntries(
		Object.entries({
			numRemovedFiles: removes.length,
			numRemovedBytes: sizeOf(removes),
			numAddedFiles: adds.length,
			numAddedBytes: sizeOf(adds),
			minFileSize: at(0),
			p25FileSize: at(0.25),
			p50FileSize: at(0.5),
			p75FileSize: at(0.75),
			maxFileSize: sizes.at(-1) ?? 0,
			numDeletionVectorsRemoved: vectorsOf(removes),
		}).map(([name, value]) => [name, String(value)]),
	);
}

function sizeOf(files: readonly AddFile[]): number {
	return files.reduce((sum, { size }) => sum + size, 0);
}

function vectorsOf(files: readonly AddFile[]): number {
	return files.filter(({ deletionVector }) => deletionVector != null).length;
}
