import { crc32 } from "node:zlib";
import type { BaseInfo } from "./base.ts";

export const MANIFEST = "manifest";
const FORMAT = 2;

/** What an index is of; an index of anything else is none. */
export interface IndexIdentity {
	/** `metaData.id` of the table. */
	readonly tableId: string;
	readonly shard: string;
	readonly keyColumns: readonly string[];
}

/** What the files of an index are; replaced as a whole, so that it tells of whole files only. */
export interface Manifest extends IndexIdentity {
	readonly format: typeof FORMAT;
	readonly generation: number;
	/** The table's version that the base stands for. */
	readonly version: number;
	readonly base: BaseInfo | null;
	/** File numbers that were given. */
	readonly next: number;
	readonly files: readonly (readonly [string, number])[];
}

export function encodeManifest(manifest: Omit<Manifest, "format">): Uint8Array {
	const body = JSON.stringify({ format: FORMAT, ...manifest });
	return Buffer.from(`${checksum(body)}\n${body}`);
}

/** The manifest, or why there is none to go by. */
export function decodeManifest(
	bytes: Uint8Array,
	of: IndexIdentity,
): Manifest | { readonly unusable: string } {
	const text = Buffer.from(bytes).toString();
	const body = text.slice(9);
	if (text.slice(0, 9) !== `${checksum(body)}\n`)
		return { unusable: "its manifest is damaged" };
	const manifest = JSON.parse(body) as Manifest;
	if (manifest.format !== FORMAT)
		return {
			unusable: `it has format ${manifest.format}; this version reads ${FORMAT}`,
		};
	for (const part of ["tableId", "shard", "keyColumns"] as const)
		if (JSON.stringify(manifest[part]) !== JSON.stringify(of[part]))
			return {
				unusable: `its ${part} is ${JSON.stringify(manifest[part])}, not ${JSON.stringify(of[part])}`,
			};
	return manifest;
}

function checksum(text: string): string {
	return crc32(text).toString(16).padStart(8, "0");
}
