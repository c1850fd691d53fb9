import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { field, struct } from "../../../src/columnar/types.ts";
import type { Batch } from "../../../src/columnar/vector.ts";
import { DataFileStream } from "../../../src/delta/data-file-stream.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { fileLayout } from "../../../src/delta/stage.ts";
import { createTable } from "../../../src/delta/write.ts";
import type { Body } from "../../../src/storage/store.ts";
import { memoryEngine } from "./memory-engine.ts";

const SCHEMA = struct(field("id", "long"), field("noise", "binary"));
const ROWS = 1000;

/** A megabyte that doesn't compress. */
function batch(n: number): Batch {
	return {
		schema: SCHEMA,
		length: ROWS,
		columns: [
			vectorOf(
				"long",
				Array.from({ length: ROWS }, (_, i) => BigInt(n * ROWS + i)),
			),
			vectorOf(
				"binary",
				Array.from({ length: ROWS }, () => randomBytes(1000)),
			),
		],
	};
}

async function opened(
	put: (engine: Engine, path: string, body: Body) => Promise<void>,
) {
	const plain = memoryEngine();
	const table = await createTable(plain, { schema: SCHEMA });
	const engine: Engine = {
		...plain,
		store: { ...plain.store, put: (path, body) => put(plain, path, body) },
	};
	const stream = new DataFileStream(engine, fileLayout(table), {
		partitionValues: {},
		rowGroupRows: ROWS,
	});
	return { plain, table, stream };
}

async function stored(engine: Engine): Promise<string[]> {
	const paths: string[] = [];
	for await (const { path } of engine.store.list(""))
		if (!path.startsWith("_delta_log/")) paths.push(path);
	return paths;
}

test("a file that is held in memory while the store is slow", async () => {
	let [given, taken, most] = [0, 0, 0];
	const { plain, table, stream } = await opened(async (engine, path, body) => {
		const pieces: Uint8Array[] = [];
		for await (const piece of body as AsyncIterable<Uint8Array>) {
			await new Promise((resolve) => setTimeout(resolve, 1));
			taken += piece.length;
			pieces.push(piece);
		}
		await engine.store.put(path, Buffer.concat(pieces));
	});
	for (let n = 0; n < 40; n++) {
		await stream.write(batch(n));
		given = stream.bytesWritten;
		most = Math.max(most, given - taken);
	}
	const add = await stream.finish();
	expect(most).toBeLessThan(20 * 2 ** 20);
	expect(add.size).toBeGreaterThan(40 * 2 ** 20 * 0.95);
	expect(JSON.parse(add.stats ?? "")).toMatchObject({ numRecords: 40 * ROWS });
	let rows = 0;
	for await (const { length } of readTable(plain, table, { files: [add] }))
		rows += length;
	expect(rows).toBe(40 * ROWS);
});

test("a store that fails, upon which the writer waits forever", async () => {
	const { stream } = await opened(async (_, __, body) => {
		let pieces = 0;
		for await (const _piece of body as AsyncIterable<Uint8Array>)
			if (++pieces === 3) throw new Error("the disk is full");
	});
	await expect(
		(async () => {
			for (let n = 0; n < 60; n++) await stream.write(batch(n));
			await stream.finish();
		})(),
	).rejects.toThrow("the disk is full");
	await stream.abort(new Error("it was given up"));
});

test("a file that was given up and is there all the same", async () => {
	for (const finished of [false, true]) {
		const { plain, stream } = await opened((engine, path, body) =>
			engine.store.put(path, body),
		);
		await stream.write(batch(0));
		if (finished) await stream.finish();
		await stream.abort(new Error("it was given up"));
		expect(await stored(plain)).toEqual([]);
	}
});
