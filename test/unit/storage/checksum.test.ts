import { expect, test } from "vitest";
import { type Checksums, mismatch } from "../../../src/storage/checksum.ts";

/** The check values of the CRC catalogue for `123456789`, and of the hashes. */
const BODY = Buffer.from("123456789");
const RIGHT: Readonly<Record<keyof Checksums, string>> = {
	ChecksumCRC32: hex("cbf43926"),
	ChecksumCRC32C: hex("e3069283"),
	ChecksumCRC64NVME: hex("ae8b14860a799888"),
	ChecksumSHA1: hex("f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
	ChecksumSHA256: hex(
		"15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
	),
};

function hex(digits: string): string {
	return Buffer.from(digits, "hex").toString("base64");
}

test.each(Object.entries(RIGHT))(
	"a body that was damaged is noticed by %s, a good one is not",
	(name, value) => {
		expect(mismatch(BODY, { [name]: value })).toBeUndefined();
		const damaged = Buffer.from("123456788");
		expect(mismatch(damaged, { [name]: value })).toContain(value);
		expect(mismatch(Buffer.alloc(0), { [name]: value })).toContain(value);
	},
);

test("checksums of parts, and none at all, prove nothing", () => {
	expect(mismatch(BODY, { ChecksumCRC32: "AAAAAA==-3" })).toBeUndefined();
	expect(mismatch(BODY, {})).toBeUndefined();
});
