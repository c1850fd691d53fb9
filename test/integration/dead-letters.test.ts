import type { Message, Producer } from "kafkajs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { tableRows } from "../../demo/lake.ts";
import type { Stack } from "../../stack/components.ts";
import { type Ran, tributary } from "../support/tributary.ts";
import { WriterUnderTest } from "../support/writer-process.ts";
import {
	startWriterSetting,
	type WriterSetting,
} from "../support/writer-setting.ts";

let setting: WriterSetting;
let dir: string;
let stack: Stack<"kafka" | "s3">;
let producer: Producer;

beforeAll(async () => {
	setting = await startWriterSetting("dead-letters");
	({ dir, stack, producer } = setting);
});

afterAll(async () => {
	await setting?.stop();
});

const SENT = 1_790_000_000_000;

function change(id: string, amount: number | null): Message {
	return {
		key: JSON.stringify({ id: JSON.stringify(id) }),
		value: JSON.stringify({
			op: amount === null ? "d" : "u",
			before: null,
			after: amount === null ? null : JSON.stringify({ _id: id, amount }),
			source: { connector: "mongodb", ts_ms: SENT, db: "shop" },
			ts_ms: SENT,
		}),
		partition: 0,
		timestamp: String(SENT),
	};
}

/** Bytes that are no change, under the key of one. */
function poison(id: string, value: Buffer | string): Message {
	return {
		...change(id, 0),
		value,
		headers: { origin: ["a test", "twice"], bytes: Buffer.from([0, 255]) },
	};
}

test.each(["append", "upsert"] as const)(
	"with %s, poison messages and refused rows among good ones stop nothing, and come in by a replay beside the running writer",
	async (writeMode) => {
		const name = `dlq-${writeMode}`;
		const writer = new WriterUnderTest({
			name,
			dir,
			stack,
			sink: { writeMode, partitionBy: [] },
			batch: { maxRows: 5000, maxDelay: "200ms" },
		});
		const env = environment();
		const run = (...argv: string[]): Promise<Ran> => tributary(argv, env);
		const printed = async (...argv: string[]): Promise<string> => {
			const ran = await run(...argv);
			expect(ran, argv.join(" ")).toMatchObject({ status: 0, stderr: "" });
			return ran.stdout;
		};
		const send = (...messages: Message[]) =>
			producer.send({ topic: `${name}.shop.orders`, messages });
		const table = `${writer.lake.location}/orders`;
		const amounts = async (): Promise<string[]> =>
			((await tableRows(writer.lake, "orders"))?.rows ?? [])
				.map(({ _id, amount }) => `${_id} ${amount}`)
				.sort();
		const holds = (...rows: string[]) =>
			vi.waitFor(async () => expect(await amounts()).toEqual(rows.sort()), {
				timeout: 30_000,
				interval: 200,
			});
		try {
			const running = await writer.start();
			await send(change("a", 1));
			await holds("a 1");
			await printed(
				...["table", "alter", table, "--add-constraint"],
				"positive: amount > 0",
			);
			const whole = change("e", 5).value as string;
			await send(
				change("b", 2),
				poison("x1", "{no json"),
				poison("x2", Buffer.from([0x7b, 0xff, 0xfe])),
				change("c", -3),
				poison("x3", '{"id":1}'),
				change("d", 4),
				poison("x4", whole.slice(0, -20)),
				change("e", 5),
				change("f", -6),
			);
			await holds("a 1", "b 2", "d 4", "e 5");
			const listed = (
				await printed("dlq", "list", writer.lake.location, "--json")
			)
				.trim()
				.split("\n")
				.map((line) => JSON.parse(line));
			expect(
				listed
					.filter(({ kind }) => kind === "letter")
					.map(({ offset, code, status }) => `${offset} ${code} ${status}`)
					.sort(),
			).toEqual([
				"2 JSON_INVALID open",
				"3 UTF8_INVALID open",
				"4 DELTA_CONSTRAINT_VIOLATED open",
				"5 ENVELOPE_UNKNOWN open",
				"7 JSON_INVALID open",
				"9 DELTA_CONSTRAINT_VIOLATED open",
			]);
			expect(
				JSON.parse(
					await printed(
						...["dlq", "show", writer.lake.location, "orders/0/3", "--json"],
					),
				),
			).toMatchObject({
				topic: `${name}.shop.orders`,
				timestamp: new Date(SENT).toISOString(),
				value: { base64: Buffer.from([0x7b, 0xff, 0xfe]).toString("base64") },
				headers: [
					{ name: "origin", value: { text: "a test" } },
					{ name: "origin", value: { text: "twice" } },
					{ name: "bytes", value: { base64: "AP8=" } },
				],
			});
			expect(await running.metrics()).toMatch(
				/^tributary_dead_letters_total\{table="orders",code="DELTA_CONSTRAINT_VIOLATED".*\} 2$/m,
			);
			expect((await running.status()).error).toBeNull();

			const file = ["-f", writer.file];
			const refused = await run("dlq", "replay", ...file);
			expect(refused.status).toBe(4);
			expect(refused.stdout).toContain("orders: 6 failed again\n");
			await printed("table", "alter", table, "--drop-constraint", "positive");
			// In a mirror, one of the two has a newer change by now; the history has both.
			await send(change("f", 7), change("g", 8));
			await holds("a 1", "b 2", "d 4", "e 5", "f 7", "g 8");
			const mirror = writeMode === "upsert";
			const dry = await run("dlq", "replay", ...file, "--dry-run");
			expect(dry.stdout).toContain(
				`orders: ${mirror ? 1 : 2} would be replayed\n`,
			);
			expect(await amounts()).toHaveLength(6);
			const [replayed] = await Promise.all([
				run("dlq", "replay", ...file),
				send(change("h", 9), change("b", 10)),
			]);
			expect(replayed.status).toBe(4);
			expect(replayed.stdout).toContain(`orders: ${mirror ? 1 : 2} replayed\n`);
			expect(replayed.stdout).toContain("orders: 4 failed again\n");
			const rows = ["a 1", "b 10", "c -3", "d 4", "e 5", "f 7", "g 8", "h 9"];
			await holds(...rows, ...(mirror ? [] : ["b 2", "f -6"]));
			await run("dlq", "replay", ...file);
			// The writer goes on with the rows that came beside it: a mirror finds them by their keys.
			await send(change("c", 11), change("h", null));
			await holds(
				...(mirror
					? ["a 1", "b 10", "c 11", "d 4", "e 5", "f 7", "g 8"]
					: [...rows, "b 2", "f -6", "c 11", "h null"].map((row) =>
							row === "h null" ? "h undefined" : row,
						)),
			);
			expect(
				await printed("dlq", "purge", writer.lake.location, "--all"),
			).toContain(
				mirror ? "orders: 1 superseded purged\n" : "orders: 2 replayed",
			);
			expect(await running.end("SIGTERM"), writer.logTail()).toBe(0);
		} finally {
			await writer.killAll();
		}
	},
);

function environment(): Record<string, string> {
	const { endpoint, region, accessKeyId, secretAccessKey } = stack.s3;
	return Object.fromEntries(
		Object.entries({
			AWS_ENDPOINT_URL: endpoint,
			AWS_REGION: region,
			AWS_ACCESS_KEY_ID: accessKeyId,
			AWS_SECRET_ACCESS_KEY: secretAccessKey,
		}).flatMap(([name, value]) => [
			[name, value],
			[`TRIBUTARY_SECRET_LAKE_${name}`, value],
		]),
	);
}
