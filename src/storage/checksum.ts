import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * The checksums that S3 keeps with an object, each of the whole body, big-endian, in base64
 * ("Checking object integrity"). CRC-32 is what is sent: Node has it natively, and every store that
 * knows checksums knows it. CRC-64/NVME is what S3 computes for who sends none.
 */
export interface Checksums {
	readonly ChecksumCRC32?: string | undefined;
	readonly ChecksumCRC32C?: string | undefined;
	readonly ChecksumCRC64NVME?: string | undefined;
	readonly ChecksumSHA1?: string | undefined;
	readonly ChecksumSHA256?: string | undefined;
}

export function crc32Of(body: Uint8Array): string {
	return base64(crc32(body));
}

/** The checksum that the body does not match, for a message; `undefined` when all that are given do. */
export function mismatch(
	body: Uint8Array,
	given: Checksums,
): string | undefined {
	for (const [name, compute] of CHECKS) {
		const wanted = given[name];
		// A checksum of checksums, `…-3`, covers parts that only the store knows.
		if (wanted === undefined || wanted.includes("-")) continue;
		const found = compute(body);
		if (found !== wanted)
			return `${name.slice("Checksum".length)} ${found} instead of ${wanted}`;
	}
	return undefined;
}

const CHECKS = [
	["ChecksumCRC32", crc32Of],
	["ChecksumCRC32C", crc32cOf],
	["ChecksumCRC64NVME", crc64Of],
	["ChecksumSHA1", (body) => hash("sha1", body)],
	["ChecksumSHA256", (body) => hash("sha256", body)],
] as const satisfies readonly (readonly [
	keyof Checksums,
	(body: Uint8Array) => string,
])[];

function hash(algorithm: string, body: Uint8Array): string {
	return createHash(algorithm).update(body).digest("base64");
}

function base64(value: number): string {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(value);
	return bytes.toString("base64");
}

function crc32cOf(body: Uint8Array): string {
	crc32cTable ??= Uint32Array.from({ length: 256 }, (_, byte) => {
		let rest = byte;
		for (let bit = 0; bit < 8; bit++)
			rest = rest & 1 ? (rest >>> 1) ^ 0x82f63b78 : rest >>> 1;
		return rest >>> 0;
	});
	let crc = 0xffffffff;
	for (const byte of body)
		crc = (crc >>> 8) ^ (crc32cTable[(crc ^ byte) & 0xff] ?? 0);
	return base64(~crc >>> 0);
}

/** In two halves of 32 bits: BigInt would be a hundred times slower. */
function crc64Of(body: Uint8Array): string {
	crc64Table ??= tableOfCrc64();
	let high = 0xffffffff;
	let low = 0xffffffff;
	for (const byte of body) {
		const index = ((low ^ byte) & 0xff) << 1;
		low = ((low >>> 8) | (high << 24)) ^ (crc64Table[index + 1] ?? 0);
		high = (high >>> 8) ^ (crc64Table[index] ?? 0);
	}
	const bytes = Buffer.alloc(8);
	bytes.writeUInt32BE(~high >>> 0);
	bytes.writeUInt32BE(~low >>> 0, 4);
	return bytes.toString("base64");
}

function tableOfCrc64(): Uint32Array {
	const table = new Uint32Array(512);
	for (let byte = 0; byte < 256; byte++) {
		let rest = BigInt(byte);
		for (let bit = 0; bit < 8; bit++)
			rest = rest & 1n ? (rest >> 1n) ^ 0x9a6c9329ac4bc9b5n : rest >> 1n;
		table[byte * 2] = Number(rest >> 32n);
		table[byte * 2 + 1] = Number(rest & 0xffffffffn);
	}
	return table;
}

let crc32cTable: Uint32Array | undefined;
let crc64Table: Uint32Array | undefined;
