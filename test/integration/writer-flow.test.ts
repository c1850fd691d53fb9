import type { Admin, Producer } from "kafkajs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { tableRows } from "../../demo/lake.ts";
import { createTopics } from "../../src/connect/topics.ts";
import { memoryOf, type Stack } from "../../stack/components.ts";
import {
	type FaultProxy,
	NO_FAULTS,
	startFaultProxy,
} from "../support/fault-proxy.ts";
import { WriterUnderTest } from "../support/writer-process.ts";
import {
	startWriterSetting,
	type WriterSetting,
} from "../support/writer-setting.ts";

const LONG = process.env.TEST_LONG === "1";
const TABLES = LONG ? 200 : 60;
const HOT_RECORDS = LONG ? 400_000 : 120_000;
const CEILING = 512 * 2 ** 20;

let setting: WriterSetting;
let dir: string;
let stack: Stack<"kafka" | "s3">;
let proxy: FaultProxy;
let producer: Producer;
let admin: Admin;
let writers: WriterUnderTest[] = [];

beforeAll(async () => {
	setting = await startWriterSetting("flow");
	({ dir, stack, producer, admin } = setting);
	proxy = await startFaultProxy(stack.s3.endpoint);
});

afterAll(async () => {
	for (const writer of writers) await writer.killAll();
	await proxy?.stop();
	await setting?.stop("SIGKILL");
});

test(`${TABLES} tables and a hot one stay below ${CEILING / 2 ** 20} MiB, and SIGTERM commits what waits in all of them`, {
	timeout: 600_000,
}, async () => {
	const tables = Array.from({ length: TABLES }, (_, i) => `t${i}`);
	const writer = await underTest("many", [...tables, "hot"], {
		maxDelay: "60s",
	});
	for (const table of tables) await produce("many", table, 0, 40);
	for (let from = 0; from < HOT_RECORDS; from += 800)
		await produce("many", "hot", from, 800);
	const running = await writer.start();
	const total = TABLES * 40 + HOT_RECORDS;
	await vi.waitFor(
		async () => {
			const text = await running.metrics();
			expect(sumOf(text, "tributary_messages_total")).toBe(total);
		},
		{ timeout: 240_000, interval: 500 },
	);
	const { peak } = memoryOf(running.child.pid ?? 0);
	const asked = Date.now();
	expect(await running.end("SIGTERM"), writer.logTail()).toBe(0);
	const drainSeconds = (Date.now() - asked) / 1000;
	process.stdout.write(
		`${TABLES + 1} tables, ${total} changes: peak ${Math.round(peak / 2 ** 20)} MiB; all committed ${drainSeconds.toFixed(1)} s after SIGTERM\n`,
	);
	expect(peak).toBeLessThan(CEILING);
	// A pod has 30 s by default.
	expect(drainSeconds).toBeLessThan(30);
	for (const [table, wanted] of [
		["t0", 40],
		[`t${TABLES - 1}`, 40],
		["hot", HOT_RECORDS],
	] as const)
		expect(await rowsIn(writer, table), table).toBe(wanted);
});

test("a table whose store is slow or fails holds up no other, and takes nothing more until it works", {
	timeout: 240_000,
}, async () => {
	const tables = ["fine", "slow", "broken", "good"];
	const writer = await underTest("uneven", tables, {
		maxDelay: "300ms",
		maxRows: 500,
	});
	proxy.plan = ({ url }) => {
		if (url.includes("/uneven/broken")) return { kind: "refuse", status: 500 };
		return url.includes("/uneven/slow")
			? { kind: "slow", ms: 20_000 }
			: { kind: "none" };
	};
	try {
		const running = await writer.start();
		for (let from = 0; from < 10_000; from += 500)
			for (const table of tables) await produce("uneven", table, from, 500);
		await vi.waitFor(
			async () => {
				expect(await rowsIn(writer, "fine")).toBe(10_000);
				expect(await rowsIn(writer, "good")).toBe(10_000);
			},
			{ timeout: 60_000, interval: 500 },
		);
		expect(await rowsIn(writer, "broken")).toBe(0);
		expect(await rowsIn(writer, "slow")).toBeLessThan(10_000);
		// The store's client tries again by itself before it tells.
		await vi.waitFor(
			async () =>
				expect((await running.status()).error).toMatch(/uneven\/broken/),
			{ timeout: 60_000, interval: 500 },
		);
		proxy.plan = NO_FAULTS;
		await vi.waitFor(
			async () => {
				for (const table of tables)
					expect(await rowsIn(writer, table), table).toBe(10_000);
			},
			{ timeout: 120_000, interval: 1000 },
		);
		await vi.waitFor(
			async () => expect((await running.status()).error).toBeNull(),
			{ timeout: 30_000, interval: 500 },
		);
		expect(await running.end("SIGTERM"), writer.logTail()).toBe(0);
	} finally {
		proxy.plan = NO_FAULTS;
	}
});

test("Decimal128 becomes a number where a pipeline's YAML says so, and what is none is rescued", {
	timeout: 120_000,
}, async () => {
	const tables = ["numbers", "fixed", "texts"];
	const writer = await underTest(
		"money",
		tables,
		{ maxDelay: "200ms" },
		{
			schema: {
				decimals: "decimal(20,4)",
				tables: [
					{ table: "shop\\.fixed", onWiden: "rescue" },
					{ table: "shop\\.texts", decimals: "string" },
				],
			},
		},
	);
	const amounts = ["12.50", "-0.0001", "9E+3", "NaN", "0.00005"];
	const running = await writer.start();
	// What comes later meets columns that are committed.
	for (const [from, to] of [
		[0, 3],
		[3, amounts.length],
	] as const) {
		for (const table of tables)
			await producer.send({
				topic: `money.shop.${table}`,
				messages: amounts.slice(from, to).map((amount, i) => ({
					key: JSON.stringify({ id: String(from + i) }),
					value: JSON.stringify({
						before: null,
						after: `{"_id": ${from + i},"amount": {"$numberDecimal": "${amount}"}}`,
						source: { connector: "mongodb", ts_ms: 1_760_000_000_000 + i },
						op: "c",
						ts_ms: 1_760_000_000_000 + i,
					}),
				})),
			});
		await vi.waitFor(
			async () => {
				for (const table of tables)
					expect(await rowsIn(writer, table), table).toBe(to);
			},
			{ timeout: 60_000, interval: 500 },
		);
	}
	expect(await running.end("SIGTERM"), writer.logTail()).toBe(0);
	const read = async (table: string) => {
		const found = await tableRows(writer.lake, table);
		const rows = [...(found?.rows ?? [])].sort((a, b) =>
			(a._id ?? "").localeCompare(b._id ?? ""),
		);
		return {
			type: found?.snapshot.schema.fields.find(({ name }) => name === "amount")
				?.type,
			amounts: rows.map(({ amount }) => amount),
			rescued: rows.map(({ _rescued_data }) => _rescued_data),
		};
	};
	const numbers = await read("numbers");
	// A value of more digits widens the column, as any other would.
	expect(numbers.type).toBe("decimal(21,5)");
	expect(numbers.amounts).toEqual([
		"12.50000",
		"-0.00010",
		"9000.00000",
		undefined,
		"0.00005",
	]);
	expect(numbers.rescued[3]).toContain("NaN");
	const fixed = await read("fixed");
	expect(fixed.type).toBe("decimal(20,4)");
	expect(fixed.amounts.slice(2)).toEqual(["9000.0000", undefined, undefined]);
	expect(fixed.rescued[4]).toContain("0.00005");
	expect(await read("texts")).toMatchObject({ type: "string", amounts });
});

async function underTest(
	name: string,
	tables: readonly string[],
	batch: Readonly<Record<string, unknown>>,
	sink: Readonly<Record<string, unknown>> = {},
): Promise<WriterUnderTest> {
	await createTopics(
		admin,
		tables.map((table) => ({ topic: `${name}.shop.${table}` })),
	);
	const writer = new WriterUnderTest({
		name,
		dir,
		stack,
		endpoint: proxy.endpoint,
		include: tables.map((table) => `shop.${table}`),
		sink: { writeMode: "append", ...sink },
		batch,
		env: { TRIBUTARY_KAFKA_SESSION_TIMEOUT_MS: "6000" },
	});
	writers = [...writers, writer];
	return writer;
}

/** Records of about 1 KB. */
async function produce(
	name: string,
	table: string,
	from: number,
	count: number,
): Promise<void> {
	await producer.send({
		topic: `${name}.shop.${table}`,
		messages: Array.from({ length: count }, (_, i) => ({
			key: JSON.stringify({ id: String(from + i) }),
			value: JSON.stringify({
				before: null,
				after: JSON.stringify({
					_id: from + i,
					text: `${from + i} `.repeat(100),
					where: { city: `city-${i % 7}`, zip: i },
				}),
				source: { connector: "mongodb", ts_ms: 1_760_000_000_000 + from + i },
				op: "c",
				ts_ms: 1_760_000_000_000 + from + i,
			}),
		})),
	});
}

async function rowsIn(writer: WriterUnderTest, table: string): Promise<number> {
	return (await tableRows(writer.lake, table))?.rows.length ?? 0;
}

function sumOf(metrics: string, name: string): number {
	return metrics
		.split("\n")
		.filter((line) => line.startsWith(`${name}{`))
		.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
