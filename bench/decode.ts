/**
 * Change events to typed columns, in memory: CPU seconds per million, one shape per process, beside
 * what `JSON.parse` alone takes for the same bytes (it builds no columns and loses int64). The CPU time
 * is the median of rounds of 50,000 events, since neighbours on the machine disturb some of them.
 *
 *   node bench/decode.ts [events] [--only=SHAPE]
 */
import { execFileSync } from "node:child_process";
import { TableDecoder } from "../src/change/decoder.ts";
import type { SourceType } from "../src/resource/cdc-pipeline.ts";
import {
	irregularEnvelope,
	mongoEnvelope,
	relationalEnvelope,
	relationalPayload,
} from "./envelope.ts";

interface Shape {
	readonly source: SourceType;
	readonly mode: "append" | "upsert";
	readonly make: typeof mongoEnvelope;
	readonly parseOnly?: boolean;
}

const SHAPES: Readonly<Record<string, Shape>> = {
	"mongodb, regular": {
		source: "mongodb",
		mode: "append",
		make: mongoEnvelope,
	},
	"mongodb, regular, upsert": {
		source: "mongodb",
		mode: "upsert",
		make: mongoEnvelope,
	},
	"mongodb, irregular": {
		source: "mongodb",
		mode: "append",
		make: irregularEnvelope,
	},
	"postgresql, with schema": {
		source: "postgresql",
		mode: "append",
		make: relationalEnvelope,
	},
	"postgresql, with schema, upsert": {
		source: "postgresql",
		mode: "upsert",
		make: relationalEnvelope,
	},
	"postgresql, without schema": {
		source: "postgresql",
		mode: "append",
		make: relationalPayload,
	},
	"JSON.parse twice, mongodb": {
		source: "mongodb",
		mode: "append",
		make: mongoEnvelope,
		parseOnly: true,
	},
};

/** Messages are made before the clock starts, and used over and over. */
const DISTINCT = 20_000;
const BATCH = 50_000;

const events = Number(process.argv.find((text) => /^\d+$/.test(text)) ?? 1e6);
const only = process.argv
	.find((text) => text.startsWith("--only="))
	?.slice("--only=".length);

if (only === undefined)
	console.table(
		Object.keys(SHAPES).map((name) =>
			JSON.parse(
				execFileSync(
					process.execPath,
					[import.meta.filename, String(events), `--only=${name}`],
					{ encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
				),
			),
		),
	);
else {
	const shape = SHAPES[only];
	if (shape === undefined) throw new Error(`unknown shape ${only}`);
	console.log(JSON.stringify(run(only, shape)));
}

function run(name: string, shape: Shape): Record<string, unknown> {
	const messages = Array.from({ length: DISTINCT }, (_, i) => {
		const { key, value } = shape.make(i);
		return {
			key: Buffer.from(key),
			value: Buffer.from(value),
			topic: "bench.shop.orders",
			partition: 0,
			offset: i,
		};
	});
	const decoder = new TableDecoder(shape);
	let sum = 0;
	const feed = (count: number): void => {
		for (let i = 0; i < count; i++) {
			const message = messages[i % DISTINCT];
			if (message === undefined) continue;
			if (shape.parseOnly === true) {
				const envelope = JSON.parse(message.value.toString("utf8"));
				sum += Object.keys(JSON.parse(envelope.after)).length;
				continue;
			}
			const { kind } = decoder.decode(message);
			if (kind !== "row") throw new Error(`message ${i} became a ${kind}`);
			if (decoder.rows === BATCH) sum += decoder.finish(0).batch.length;
		}
		if (decoder.rows > 0) sum += decoder.finish(0).batch.length;
	};
	feed(2 * BATCH);
	const bytes = messages.reduce((total, { value }) => total + value.length, 0);
	const rounds: number[] = [];
	const start = performance.now();
	for (let done = 0; done < events; done += BATCH) {
		const cpu = process.cpuUsage();
		feed(BATCH);
		const { user, system } = process.cpuUsage(cpu);
		rounds.push((user + system) / BATCH);
	}
	const seconds = (performance.now() - start) / 1000;
	if (sum < events) throw new Error("events are missing");
	rounds.sort((a, b) => a - b);
	return {
		shape: name,
		events,
		"bytes each": Math.round(bytes / DISTINCT),
		"events/s": Math.round(events / seconds),
		"MB/s": Math.round(((bytes / DISTINCT) * events) / 1e6 / seconds),
		"CPU s per million": Number(
			(rounds[Math.floor(rounds.length / 2)] ?? 0).toFixed(2),
		),
		best: Number((rounds[0] ?? 0).toFixed(2)),
		"peak RSS MB": Math.round(process.resourceUsage().maxRSS / 1024),
	};
}
