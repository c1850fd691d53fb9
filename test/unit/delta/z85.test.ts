import { expect, test } from "vitest";
import { decodeZ85, encodeZ85 } from "../../../src/delta/z85.ts";
import { seeded } from "../../support/changes.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

function hex(bytes: Uint8Array | undefined): string | undefined {
	return bytes === undefined ? undefined : Buffer.from(bytes).toString("hex");
}

test("the test case of ZeroMQ RFC 32 is coded as there", () => {
	expect(encodeZ85(Buffer.from("864fd26fb559f75b", "hex"))).toBe("HelloWorld");
	expect(hex(decodeZ85("HelloWorld"))).toBe("864fd26fb559f75b");
});

test("the UUID of the protocol's example is found in its 20 digits", () => {
	// PROTOCOL.md, "Deletion Vector Descriptor Schema", JSON example 1.
	expect(hex(decodeZ85("^-aqEH.-t@S}K{vb[*k^"))).toBe(
		"d2c639aa8816431aaaf6d3fe2512ff61",
	);
});

test(`bytes come back, padded with zeros to a multiple of 4 (SEED=${SEED})`, () => {
	const random = seeded(SEED);
	for (let round = 0; round < 2000; round++) {
		const bytes = Uint8Array.from(
			{ length: Math.floor(random() * 40) },
			() => random() * 256,
		);
		const text = encodeZ85(bytes);
		expect(text).toHaveLength(Math.ceil(bytes.length / 4) * 5);
		const padded = Buffer.alloc(Math.ceil(bytes.length / 4) * 4);
		padded.set(bytes);
		expect(hex(decodeZ85(text))).toBe(padded.toString("hex"));
	}
});

test.each([
	["shorter than a group", "0000"],
	["longer than a group", "000000"],
	["a space", "0000 "],
	["a quote", '0000"'],
	["a character beyond ASCII", "0000é"],
	["a character whose low byte is a digit's", "0000\u0130"],
	["2^32, the first value above 4 bytes", "%nSc1"],
	["a group of the greatest digit", "#####"],
	["a padded group that is not the last", "##09300000"],
	["a padded group above its 3 bytes", "#rr91"],
	["a padded group of one digit", "####0"],
	["a padded group above its 2 bytes", "##961"],
	["a padded group above its 1 byte", "###31"],
])("%s is no Z85", (_, text) => {
	expect(decodeZ85(text)).toBeUndefined();
});

test("the greatest word is read, and nothing above it", () => {
	expect(encodeZ85(Uint8Array.of(255, 255, 255, 255))).toBe("%nSc0");
	expect(hex(decodeZ85("%nSc0"))).toBe("ffffffff");
});

test("a last group padded as the z85 crate of Rust does it has the bytes that are there", () => {
	expect(hex(decodeZ85("##093"))).toBe("0300");
	expect(hex(decodeZ85("00000##093"))).toBe("000000000300");
	expect(hex(decodeZ85("###30"))).toBe("ff");
	expect(hex(decodeZ85("##960"))).toBe("ffff");
	expect(hex(decodeZ85("#rr90"))).toBe("ffffff");
});

test(`any text is refused or decoded to something that encodes to it (SEED=${SEED})`, () => {
	const random = seeded(SEED + 1);
	let read = 0;
	for (let round = 0; round < 20_000; round++) {
		const text = Array.from({ length: Math.floor(random() * 4) * 5 }, () =>
			String.fromCharCode(33 + Math.floor(random() * 94)),
		).join("");
		const bytes = decodeZ85(text);
		if (bytes === undefined) continue;
		read++;
		const padding = text.length === 0 ? 0 : bytes.length % 4;
		if (padding === 0) expect(encodeZ85(bytes)).toBe(text);
		else expect(text.at(-5)).toBe("#");
	}
	expect(read).toBeGreaterThan(1000);
});
