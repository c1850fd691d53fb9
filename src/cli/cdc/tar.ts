/*
 * A tar archive (POSIX.1-1988, ustar): for each file a header of 512 bytes with octal numbers, then its
 * bytes, filled up to 512; two empty blocks end it.
 *
 *   name 100, mode 8, uid 8, gid 8, size 12, mtime 12, checksum 8, type 1, link 100, "ustar\0" 6, "00" 2
 */
const BLOCK = 512;

export interface TarFile {
	/** At most 100 bytes. */
	readonly path: string;
	readonly content: string;
}

/** @param seconds - time of all files, since the epoch */
export function tar(files: readonly TarFile[], seconds: number): Buffer {
	const parts: Buffer[] = [];
	for (const { path, content } of files) {
		const bytes = Buffer.from(content);
		parts.push(header(path, bytes.length, seconds), bytes);
		parts.push(Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK));
	}
	return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function header(path: string, size: number, seconds: number): Buffer {
	const name = Buffer.from(path);
	if (name.length > 100) throw new RangeError(`${path} is too long for tar`);
	const block = Buffer.alloc(BLOCK);
	name.copy(block, 0);
	const octal = (value: number, at: number, length: number): void => {
		block.write(value.toString(8).padStart(length - 1, "0"), at, "ascii");
	};
	octal(0o600, 100, 8);
	octal(0, 108, 8);
	octal(0, 116, 8);
	octal(size, 124, 12);
	octal(seconds, 136, 12);
	block.write("0", 156, "ascii");
	block.write("ustar\u000000", 257, "ascii");
	// The checksum counts its own field as blanks.
	block.write("        ", 148, "ascii");
	const sum = block.reduce((total, byte) => total + byte, 0);
	block.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148, "ascii");
	return block;
}
