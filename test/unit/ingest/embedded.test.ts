import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openEmbedded } from "../../../src/ingest/embedded.ts";
import { migrate } from "../../../src/ingest/migrations.ts";

test("a folder is one process's at a time, survives it, and one that was half made is made anew", async () => {
	const dir = await mkdtemp(join(tmpdir(), "tributary-state-"));
	const folder = join(dir, "deep/state");
	try {
		mkdirSync(`${folder}.new`, { recursive: true });
		writeFileSync(join(`${folder}.new`, "PG_VERSION"), "half");
		writeFileSync(`${folder}.lock`, "1");
		await expect(openEmbedded(folder)).rejects.toMatchObject({
			code: "INGEST_STATE_LOCKED",
			message: expect.stringContaining("process 1"),
		});
		// No process has so high a number.
		writeFileSync(`${folder}.lock`, String(2 ** 30));
		const first = await openEmbedded(folder);
		await migrate(first);
		await first.query(
			"INSERT INTO tributary_ingest.ingestions (id, source, target) VALUES ($1, 's', 't')",
			["a"],
		);
		await first.close();
		expect(existsSync(`${folder}.lock`)).toBe(false);
		const second = await openEmbedded(folder);
		await migrate(second);
		expect(
			await second.query("SELECT id FROM tributary_ingest.ingestions"),
		).toEqual([{ id: "a" }]);
		await second.query(
			"INSERT INTO tributary_ingest.migrations (version) VALUES (999)",
		);
		await expect(migrate(second)).rejects.toMatchObject({
			code: "INGEST_STATE_NEWER",
		});
		await second.close();
	} finally {
		await rm(dir, { recursive: true, force: true });
	}
}, 300_000);
