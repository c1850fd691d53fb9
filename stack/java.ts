import { existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { CACHE } from "./cache.ts";
import type { Place } from "./process.ts";

/**
 * A JVM for one class of a component. What runs for some seconds on few cores is compiled quickly, not well,
 * unless `place.steady`; its classes come from the archive that was made when it was installed.
 */
export function java(
	place: Pick<Place, "steady" | "archiveTo">,
	options: {
		readonly component: "kafka" | "connect" | "mongo-double";
		/** In megabytes: at first, and at most. */
		readonly heap: readonly [first: number, most: number];
		readonly classPath: string;
		readonly flags?: readonly string[];
		/** The main class and its arguments. */
		readonly run: readonly string[];
	},
): string[] {
	const { component, heap, classPath, flags = [], run } = options;
	const archive = join(CACHE, component, `${component}.jsa`);
	return [
		"java",
		`-Xms${heap[0]}m`,
		`-Xmx${heap[1]}m`,
		"-XX:+UseSerialGC",
		...(place.steady === true ? [] : ["-XX:TieredStopAtLevel=1"]),
		// An archive that does not fit this JVM is passed over, in silence.
		"-Xlog:cds=off",
		...(place.archiveTo !== undefined
			? [`-XX:ArchiveClassesAtExit=${place.archiveTo}`]
			: existsSync(archive)
				? [`-XX:SharedArchiveFile=${realpathSync(archive)}`]
				: []),
		...flags,
		"-cp",
		classPath,
		...run,
	];
}
