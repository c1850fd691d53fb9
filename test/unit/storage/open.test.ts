import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { fileOpener } from "../../../src/storage/open.ts";

test("a file anywhere is opened by its escaped URL", async () => {
	const folder = await mkdtemp(join(tmpdir(), "tributary-open-"));
	try {
		const name = join(folder, "a b#c%d");
		await writeFile(name, "x");
		const { store, path } = fileOpener()(pathToFileURL(name).href);
		expect(Buffer.from(await store.get(path)).toString()).toBe("x");
	} finally {
		await rm(folder, { recursive: true });
	}
});

test("files of one bucket share a store, which is not escaped", () => {
	const open = fileOpener({ region: "eu-central-1" });
	const a = open("s3://lake/t/a%20b%23.parquet");
	expect(a.path).toBe("t/a b#.parquet");
	expect(a.store.url).toBe("s3://lake");
	expect(open("s3://lake/u").store).toBe(a.store);
	expect(open("s3://other/u").store).not.toBe(a.store);
});

test("a URL of another store is refused with what is supported", () => {
	for (const url of ["abfss://x@y/z", "https://h/x", "s3://bucket", "/x"])
		expect(() => fileOpener()(url)).toThrow(/s3:\/\/bucket\/key/);
});
