import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { TableDecoder } from "../../../src/change/decoder.ts";
import type { SourceType } from "../../../src/resource/cdc-pipeline.ts";
import { recalled, SeenChanges } from "../../../src/writer/seen-changes.ts";
import { generator, seedOf } from "../../support/seed.ts";

const FIXTURES = join(import.meta.dirname, "../../fixtures/debezium");

interface Sent {
	readonly key: unknown;
	readonly value: unknown;
}

/** What becomes of the records of one partition, in a history. */
function outcomes(
	source: SourceType,
	sent: readonly Sent[],
	limit?: number,
): string[] {
	const seen = new SeenChanges(limit);
	const decoder = new TableDecoder({
		source,
		mode: "append",
		isRepeat: (change) => seen.repeats(change),
	});
	return sent.map(({ key, value }, offset) => {
		const outcome = decoder.decode({
			key: bytesOf(key),
			value: bytesOf(value),
			topic: "t",
			partition: 0,
			offset,
		});
		return outcome.kind === "skip" ? outcome.reason : outcome.kind;
	});
}

function bytesOf(json: unknown): Uint8Array | null {
	return json === null ? null : Buffer.from(JSON.stringify(json));
}

function fixture(name: string): Sent[] {
	return JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), "utf8"));
}

function change(
	source: object,
	options: { key?: unknown; op?: string; n?: number } = {},
): Sent {
	const { key = { id: 1 }, op = "u", n = 1 } = options;
	const row = { id: 1, n };
	return {
		key,
		value: {
			before: op === "d" ? row : null,
			after: op === "d" ? null : row,
			source: { ts_ms: 1_760_000_000_000, snapshot: "false", ...source },
			op,
			ts_ms: Math.floor(Math.random() * 1e12),
		},
	};
}

const pg = (lsn: number, options?: Parameters<typeof change>[1]): Sent =>
	change({ connector: "postgresql", txId: 7, lsn, xmin: null }, options);
const mysql = (
	[file, pos, row]: readonly [string, number, number],
	options?: Parameters<typeof change>[1],
): Sent =>
	change(
		{ connector: "mysql", server_id: 1, gtid: null, file, pos, row },
		options,
	);
const mongo = (
	ord: number,
	txnNumber: number | null = null,
	options?: Parameters<typeof change>[1],
): Sent => {
	const sent = change(
		{ connector: "mongodb", ord, lsid: null, txnNumber },
		{ key: { id: "1" }, ...options },
	);
	const value = sent.value as Record<string, unknown>;
	return {
		...sent,
		value: {
			...value,
			after: value.after === null ? null : '{"_id": 1}',
			before: null,
		},
	};
};

describe.each([
	["mongodb", "mg"],
	["mongodb", "mgs"],
	["postgresql", "pg"],
	["postgresql", "pgs"],
] as const)("records of the %s connector (%s)", (source, name) => {
	test("changes that Debezium sends again are dropped, rows of a snapshot never", () => {
		const records = fixture(name);
		const once = outcomes(source, records);
		expect(once).not.toContain("repeated");
		expect(once.filter((kind) => kind === "row").length).toBeGreaterThan(4);
		const streamed = records.map(({ value }) => {
			const outer = value as { op?: string; payload?: { op?: string } } | null;
			const op = outer?.payload?.op ?? outer?.op;
			return op !== undefined && op !== "r";
		});
		const wanted = once.map((kind, i) =>
			kind === "row" && streamed[i] ? "repeated" : kind,
		);
		expect(wanted).toContain("repeated");
		expect(outcomes(source, [...records, ...records, ...records])).toEqual([
			...once,
			...wanted,
			...wanted,
		]);
	});
});

describe("in doubt a change is kept", () => {
	test("at another place, of another time, key or operation", () => {
		const other = [
			pg(2),
			pg(1, { key: { id: 2 } }),
			pg(1, { op: "d" }),
			change({ lsn: 1, txId: 8 }),
			change({ lsn: 1, txId: 7, ts_ms: 1_760_000_000_001 }),
		];
		for (const one of other)
			expect(outcomes("postgresql", [pg(1), pg(9), one])[2]).toBe("row");
		expect(outcomes("postgresql", [pg(1), pg(9), pg(1)])[2]).toBe("repeated");
	});

	test("without a key, or without a place", () => {
		const keyless = pg(1, { key: null });
		expect(outcomes("postgresql", [keyless, pg(9), keyless])[2]).toBe("row");
		const placeless = change({ lsn: null, txId: null });
		expect(outcomes("postgresql", [placeless, pg(9), placeless])[2]).toBe(
			"row",
		);
		expect(outcomes("mysql", [pg(1), pg(9), pg(1)])[2]).toBe("row");
	});

	test.each(["true", "first", "last", "incremental", true])(
		"rows of a snapshot (%s), also when they are no reads",
		(snapshot) => {
			const row = change({ lsn: 1, txId: 7, snapshot }, { op: "c" });
			expect(outcomes("postgresql", [row, pg(9), row])[2]).toBe("row");
		},
	);

	test.each([null, false, "false"])(
		"a streamed change has snapshot %s",
		(snapshot) => {
			const one = change({ lsn: 1, txId: 7, snapshot });
			expect(outcomes("postgresql", [one, pg(9), one])[2]).toBe("repeated");
		},
	);

	test("rows of one COPY, whose key the user chose", () => {
		const row = pg(1, { op: "c" });
		expect(outcomes("postgresql", [row, row, row])).toEqual([
			"row",
			"row",
			"row",
		]);
		expect(outcomes("postgresql", [row, row, pg(2), row, row, pg(2)])).toEqual([
			"row",
			"row",
			"row",
			"repeated",
			"repeated",
			"repeated",
		]);
	});

	test("a document that one transaction changes twice", () => {
		const twice = [mongo(1, 5), mongo(1, 5)];
		expect(outcomes("mongodb", [...twice, mongo(2), ...twice])).toEqual([
			"row",
			"row",
			"row",
			"repeated",
			"repeated",
		]);
		expect(outcomes("mongodb", [mongo(1), mongo(1)])[1]).toBe("repeated");
	});

	test("rows of one event of MySQL's log, which have numbers", () => {
		const at = (row: number) => mysql(["binlog.000001", 100, row]);
		expect(outcomes("mysql", [at(0), at(1), at(0), at(1)])).toEqual([
			"row",
			"row",
			"repeated",
			"repeated",
		]);
		const next = mysql(["binlog.000002", 100, 0]);
		expect(outcomes("mysql", [at(0), next])[1]).toBe("row");
	});

	test("what is older than all that is remembered", () => {
		const many = Array.from({ length: 300 }, (_, i) => pg(i));
		const again = outcomes("postgresql", [...many, pg(299), pg(0)], 256);
		expect(again.slice(-2)).toEqual(["repeated", "row"]);
	});
});

test("any replay of the latest changes is dropped, whole, and nothing else", () => {
	const seed = seedOf();
	const random = generator(seed);
	for (let round = 0; round < 40; round++) {
		const sent: Sent[] = [];
		const wanted: string[] = [];
		const log: Sent[] = [];
		while (sent.length < 3000) {
			if (random() < 0.01 && log.length > 0) {
				const from = Math.max(0, log.length - Math.floor(random() * 900));
				for (const one of log.slice(from)) {
					sent.push(one);
					wanted.push("repeated");
				}
			}
			const one = pg(log.length, {
				key: { id: Math.floor(random() * 20) },
				op: random() < 0.3 ? "d" : "u",
			});
			log.push(one);
			sent.push(one);
			wanted.push("row");
		}
		expect(outcomes("postgresql", sent), `seed ${seed}`).toEqual(wanted);
	}
});

test("many partitions together are not read for long before their positions", () => {
	expect(recalled(1)).toBe(10_000);
	expect(recalled(1000) * 1000).toBeLessThan(250_000);
});
