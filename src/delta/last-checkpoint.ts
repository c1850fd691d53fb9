import { createHash } from "node:crypto";
import { NotFoundError } from "../storage/errors.ts";
import type { Engine } from "./engine.ts";
import { LAST_CHECKPOINT } from "./log.ts";

export interface LastCheckpoint {
	readonly version: number;
	/** Actions in the checkpoint. */
	readonly size: number;
	readonly sizeInBytes?: number;
	readonly numOfAddFiles?: number;
}

/**
 * Where a reader may start to list the log (PROTOCOL.md, "Last Checkpoint File"). A hint only:
 * whatever is wrong with it, the listing decides.
 */
export async function readLastCheckpoint(
	engine: Engine,
): Promise<number | undefined> {
	let text: string;
	try {
		text = new TextDecoder().decode(await engine.store.get(LAST_CHECKPOINT));
	} catch (error) {
		if (error instanceof NotFoundError) return undefined;
		throw error;
	}
	try {
		const { version, checksum } = JSON.parse(text) as {
			version?: unknown;
			checksum?: unknown;
		};
		if (typeof checksum === "string" && checksum !== jsonChecksum(text))
			return undefined;
		return typeof version === "number" && Number.isSafeInteger(version)
			? version
			: undefined;
	} catch {
		return undefined;
	}
}

export async function writeLastCheckpoint(
	engine: Engine,
	hint: LastCheckpoint,
): Promise<void> {
	const text = JSON.stringify(hint);
	await engine.store.put(
		LAST_CHECKPOINT,
		new TextEncoder().encode(
			JSON.stringify({ ...hint, checksum: jsonChecksum(text) }),
		),
	);
}

/** MD5 of the canonical form of a JSON object, its top-level `checksum` left out (PROTOCOL.md, "JSON checksum"). */
export function jsonChecksum(json: string): string {
	const pairs: string[] = [];
	const visit = (value: unknown, path: readonly string[]): void => {
		if (Array.isArray(value)) {
			for (const [i, item] of value.entries())
				visit(item, [...path, String(i)]);
		} else if (typeof value === "object" && value !== null) {
			for (const [key, item] of Object.entries(value))
				if (path.length > 0 || key !== "checksum")
					visit(item, [...path, quoted(key)]);
		} else
			pairs.push(
				`${path.join("+")}=${typeof value === "string" ? quoted(value) : String(value)}`,
			);
	};
	visit(JSON.parse(json), []);
	pairs.sort((a, b) => (a < b ? -1 : 1));
	return createHash("md5").update(pairs.join(",")).digest("hex");
}

function quoted(text: string): string {
	const escaped = encodeURIComponent(text).replace(
		/[!'()*]/g,
		(char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
	);
	return `"${escaped}"`;
}
