import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dlqCommand } from "../../../src/cli/dlq.ts";
import { openFileStore } from "../../../src/storage/file.ts";
import { LetterWorld } from "../writer/letter-world.ts";

let dir: string;
let file: string;
let world: LetterWorld;

const BYTES = Buffer.from([0x7b, 0xff, 0x00, 0x1b]);

beforeEach(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-dlq-"));
	file = join(dir, "pipeline.yaml");
	await writeFile(
		file,
		JSON.stringify({
			apiVersion: "tributary.dev/v1alpha1",
			kind: "CdcPipeline",
			metadata: { name: "shop" },
			spec: {
				source: {
					type: "postgresql",
					connectionSecretRef: { name: "pg", key: "uri" },
					include: ["public.items"],
				},
				kafka: {
					bootstrapServers: ["127.0.0.1:1"],
					connectUrl: "http://127.0.0.1:1",
					topicPrefix: "shop",
				},
				sink: {
					location: `file://${dir}`,
					writeMode: "append",
					partitionBy: [],
				},
			},
		}),
	);
	world = new LetterWorld({}, (path) => openFileStore(join(dir, path)));
	const writer = await world.writer();
	world.produce({ id: 1, n: 1 });
	world.feed(writer);
	await writer.flush();
	await world.constraint("positive", "n > 0");
	world.produce({ id: 2, n: -2 });
	world.produce(
		'{"op":"c","after":{"id":9007199254740993,"id":9007199254740995,"n":-3}}',
		{ key: { id: 2 } },
	);
	world.produce("no json \u001b[31m", { key: { id: 3 } });
	world.produce(BYTES);
	const next = await world.writer();
	world.feed(next);
	await next.flush();
});

afterEach(async () => {
	await rm(dir, { recursive: true, force: true });
});

interface Printed {
	readonly status: number;
	readonly bytes: Buffer;
	readonly text: string;
}

async function dlq(...argv: readonly string[]): Promise<Printed> {
	const chunks: Buffer[] = [];
	const status = await dlqCommand(
		argv,
		new Writable({
			highWaterMark: 10,
			write: (chunk: Buffer, _encoding, done) => {
				chunks.push(chunk);
				setImmediate(done);
			},
		}),
	);
	const bytes = Buffer.concat(chunks);
	return { status, bytes, text: bytes.toString() };
}

test("the list has counts by table, code and status, and the letters with their reasons", async () => {
	const { text } = await dlq("list", dir);
	expect(text.replaceAll("2025-10-09T08:53:20Z", "THEN")).toBe(
		`TABLE  CODE                       STATUS  COUNT  FIRST TRY             LAST TRY
items  DELTA_CONSTRAINT_VIOLATED  open    2      THEN  THEN
items  JSON_INVALID               open    1      THEN  THEN
items  UTF8_INVALID               open    1      THEN  THEN

items/0/1  open, DELTA_CONSTRAINT_VIOLATED, 1 try, the last at THEN
    the check constraint positive (n > 0) is not true: n = -2
items/0/2  open, DELTA_CONSTRAINT_VIOLATED, 1 try, the last at THEN
    the check constraint positive (n > 0) is not true: n = -3
items/0/3  open, JSON_INVALID, 1 try, the last at THEN
    ${text.split("\n").at(-4)?.trim()}
items/0/4  open, UTF8_INVALID, 1 try, the last at THEN
    the value is not valid UTF-8
`,
	);
	const lines = (await dlq("list", dir, "--json", "--per", "day")).text
		.trim()
		.split("\n")
		.map((line) => JSON.parse(line));
	expect(lines).toHaveLength(7);
	expect(lines[0]).toMatchObject({
		kind: "count",
		day: "2025-10-09",
		table: "items",
		code: "DELTA_CONSTRAINT_VIOLATED",
		status: "open",
		count: 2,
	});
	expect(lines[3]).toMatchObject({ kind: "letter", name: "items/0/1" });
});

test.each([
	[["--code", "UTF8_INVALID"], ["items/0/4"]],
	[
		["--table", "items/", "--limit", "2"],
		["items/0/1", "items/0/2"],
	],
	[["--table", "it'ems\\"], []],
	[["--since", "2025-10-09T08:53:21Z"], []],
	[
		["--since", "2025-10-09T08:53:20Z", "--code", "JSON_INVALID"],
		["items/0/3"],
	],
	[["--before", "2025-10-09T08:53:20Z"], []],
	[["--status", "replayed"], []],
])("filters of the list: %j", async (flags, names) => {
	const { text } = await dlq("list", dir, "--json", ...flags);
	const found = text
		.split("\n")
		.filter((line) => line.includes('"letter"'))
		.map((line) => JSON.parse(line).name);
	expect(found).toEqual(names);
});

test("a letter is shown whole: digits and double names as they came, nothing that a terminal would obey", async () => {
	const { text } = await dlq("show", dir, "items/0/2");
	expect(text).toContain(
		'{"op":"c","after":{"id":9007199254740993,"id":9007199254740995,"n":-3}}',
	);
	expect(text).toContain('key        {"id":2}\n');
	const poison = (await dlq("show", dir, "items/0/3")).text;
	expect(poison).toContain("no json \\u001b[31m");
	expect(poison).not.toContain("\u001b");
	const bytes = (await dlq("show", dir, "items/0/4")).text;
	expect(bytes).toContain("value      4 bytes, in base64");
	expect(bytes).toContain(BYTES.toString("base64"));
	const json = JSON.parse((await dlq("show", dir, "items/0/2", "--json")).text);
	expect(json).toMatchObject({
		name: "items/0/2",
		code: "DELTA_CONSTRAINT_VIOLATED",
		tries: 1,
		key: { json: { id: 2 } },
		headers: [],
	});
});

test("--raw gives the bytes that came, and no others", async () => {
	expect((await dlq("show", dir, "items/0/4", "--raw", "value")).bytes).toEqual(
		BYTES,
	);
	expect((await dlq("show", dir, "items/0/3", "--raw", "key")).text).toBe(
		'{"id":3}',
	);
});

test("a dry run changes nothing; a replay writes what fits now, and says what stays and why", async () => {
	await world.constraint("positive", undefined);
	await world.constraint("small", "n > -3");
	const before = await world.letters();
	const version = (await world.snapshot("items")).version;
	const dry = await dlq("replay", "-f", file, "--dry-run");
	expect(dry.text).toContain("items: 1 would be replayed\n");
	expect(dry.text).toContain("items: 3 would fail again\n");
	expect(dry.status).toBe(4);
	expect(await world.letters()).toEqual(before);
	expect((await world.snapshot("items")).version).toBe(version);
	const real = await dlq("replay", "-f", file);
	expect(real.status).toBe(4);
	expect(real.text).toContain("items: 1 replayed\n");
	expect(real.text).toContain(
		"  items/0/2  DELTA_CONSTRAINT_VIOLATED: the check constraint small (n > -3) is not true: n = -3\n",
	);
	expect(await world.rows("items", "n", "_kafka_offset")).toEqual([
		"-2 1",
		"1 0",
	]);
	expect(await world.letters()).toEqual([
		"0 1 replayed DELTA_CONSTRAINT_VIOLATED",
		"0 2 open DELTA_CONSTRAINT_VIOLATED",
		"0 3 open JSON_INVALID",
		"0 4 open UTF8_INVALID",
	]);
	expect(
		await world.rows("_dead_letters", "offset", "tries", "error_message"),
	).toContain("2 2 the check constraint small (n > -3) is not true: n = -3");
	await world.constraint("small", undefined);
	const one = await dlq("replay", "-f", file, "items/0/2", "--json");
	expect(one.status).toBe(0);
	expect(JSON.parse(one.text)).toMatchObject({
		name: "items/0/2",
		outcome: "replayed",
		dryRun: false,
	});
	expect((await dlq("replay", "-f", file, "--code", "NONE")).text).toBe(
		"no open dead letter matches\n",
	);
});

test("purge takes what is done with; what is open only when it is named", async () => {
	await world.constraint("positive", undefined);
	await dlq("replay", "-f", file);
	expect((await dlq("purge", dir, "--all", "--dry-run")).text).toBe(
		"items: 2 replayed would be purged\n",
	);
	expect(await world.letters()).toHaveLength(4);
	expect(
		(await dlq("purge", dir, "--before", "1d", "--code", "NONE")).text,
	).toBe("no dead letter matches\n");
	expect((await dlq("purge", dir, "--all")).text).toBe(
		"items: 2 replayed purged\n",
	);
	expect(await world.letters()).toHaveLength(2);
	await dlq("purge", dir, "items/0/4");
	expect(await world.letters()).toEqual(["0 3 open JSON_INVALID"]);
	await dlq("purge", dir, "--all", "--status", "open");
	expect((await dlq("list", dir)).text).toMatch(/^no dead letters in file:/);
});

test.each([
	[["list"], /a location such as s3:\/\/lake\/shop/],
	[["lits", "X"], /no command dlq lits; did you mean list\?/],
	[["list", "X", "--raw", "key"], /dlq list takes no --raw/],
	[["list", "X", "--stats", "open"], /no flag --stats; did you mean --status/],
	[
		["list", "X", "--status", "opne"],
		/--status opne is none; did you mean open/,
	],
	[
		["list", "X", "--since", "soon"],
		/--since soon is no time; write it like 24h/,
	],
	[["list", "X", "--limit", "-1"], /--limit/],
	[["list", "X", "--per", "week"], /--per week is not known: use day or hour/],
	[["list", "X", "--pipeline", "p"], /--pipeline is one of a file/],
	[["show", "X"], /dlq show takes one dead letter/],
	[["show", "X", "orders-1"], /orders-1 names no dead letter; write it as/],
	[
		["replay", "X"],
		/needs the rules of the pipeline: give its YAML by -f FILE/,
	],
	[["purge", "X"], /needs to know which: --before 30d/],
	[["purge", "X", "--status", "replaying"], /run dlq replay/],
] as const)("%j is refused by name", async (argv, message) => {
	await expect(
		dlq(...argv.map((arg) => (arg === "X" ? dir : arg))),
	).rejects.toMatchObject({
		code: "CONFIG_INVALID",
		message: expect.stringMatching(message),
	});
});

test("a letter that is not there, and a pipeline that the file has not, are named", async () => {
	await expect(dlq("show", dir, "items/0/99")).rejects.toMatchObject({
		code: "DEAD_LETTER_NOT_FOUND",
	});
	await expect(dlq("list", "-f", file, "--pipeline", "shoop")).rejects.toThrow(
		/--pipeline shoop: .* has none of that name; did you mean shop\?/,
	);
});
