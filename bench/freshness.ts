import { randomUUID } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { loadSnapshot, refreshSnapshot } from "../src/delta/snapshot.ts";
import type { Snapshot } from "../src/delta/state.ts";
import { openBelow } from "../src/storage/open.ts";
import { startStack } from "../stack/components.ts";
import { mongoEnvelope } from "./envelope.ts";
import { connectBroker, PreparedRequests } from "./prepared.ts";
import { fillTopics } from "./topic.ts";
import { startWriter } from "./writer-run.ts";

/**
 * How old changes are when a reader can see them, at half of the load that the writer can take: first a
 * backlog is written as fast as it goes, then changes come at half of that rate, made before so that
 * sending them takes nothing from the writer. A change is as old as the time since it was due, however
 * late it was sent. A reader asks the table's log every 200 ms; a change is seen when a version has its
 * offset. The median and the 95th percentile are over changes, not commits.
 */
const { values } = parseArgs({
	options: {
		backlog: { type: "string", default: "300000" },
		seconds: { type: "string", default: "60" },
		rate: { type: "string" },
		delay: { type: "string", default: "5s" },
	},
});
const backlog = Number(values.backlog);
const seconds = Number(values.seconds);
const POLL_MS = 200;
const TICK_MS = 5;
/** Messages of a request, which brokers take up to 1 MB of. */
const AT_ONCE = 500;
/** Requests under way. One after another over one connection, so brokers take them in their order. */
const IN_FLIGHT = 6;
const TOPIC = "fresh.shop.orders";
let allSent = false;

const dir = mkdtempSync(join(tmpdir(), "tributary-freshness-"));
chmodSync(dir, 0o755);
const stack = await startStack({
	dir,
	components: ["kafka", "s3"],
	buckets: ["lake"],
	steady: true,
});
try {
	await measure();
} finally {
	await stack.stop();
	rmSync(dir, { recursive: true, force: true });
}

async function measure(): Promise<void> {
	await fillTopics({
		bootstrap: stack.kafka.bootstrap,
		topics: [TOPIC],
		partitions: 1,
		events: backlog,
		make: mongoEnvelope,
	});
	const writer = await startWriter({
		name: "fresh",
		prefix: "fresh",
		source: "mongodb",
		dir,
		stack,
		sink: { writeMode: "append" },
		batch: { maxRows: 100_000, maxBytes: "128Mi", maxDelay: values.delay },
	});
	try {
		while ((await writer.metric("tributary_messages_total")) === 0)
			await sleep(50);
		const started = performance.now();
		while ((await writer.metric("tributary_rows_committed_total")) < backlog)
			await sleep(500);
		const most = (backlog / (performance.now() - started)) * 1000;
		const rate = Number(values.rate ?? Math.floor(most / 2));
		const requests = await PreparedRequests.make({
			path: join(dir, "requests"),
			topic: TOPIC,
			events: rate * seconds,
			each: AT_ONCE,
			make: (i) => mongoEnvelope(backlog + i),
		});
		const due: number[] = [];
		const watching = watch(due);
		const cpu = writer.cpuSeconds();
		const took = await send(requests, rate, due).finally(() =>
			requests.close(),
		);
		const ages = await watching;
		console.log(
			JSON.stringify({
				"events/s at most": Math.round(most),
				"events/s": Math.round(due.length / took),
				events: due.length,
				"median s": quantile(ages, 0.5),
				"P95 s": quantile(ages, 0.95),
				"P99 s": quantile(ages, 0.99),
				"longest s": quantile(ages, 1),
				"writer's cores": Number(
					((writer.cpuSeconds() - cpu) / took).toFixed(2),
				),
				"peak RSS MB": Math.round(writer.peakRss() / 1e6),
				load: Number((loadavg()[0] ?? 0).toFixed(1)),
			}),
		);
	} finally {
		await writer.stop();
	}
}

/** Sends so many changes a second; `due` gets the time of each. @returns how long it took, seconds */
async function send(
	requests: PreparedRequests,
	rate: number,
	due: number[],
): Promise<number> {
	const { broker, close } = await connectBroker(stack.kafka.bootstrap);
	const started = performance.now();
	const startedAt = Date.now();
	const underWay = new Set<Promise<unknown>>();
	try {
		while (requests.left > 0) {
			const elapsed = performance.now() - started;
			if ((elapsed / 1000) * rate - due.length < AT_ONCE) {
				await sleep(TICK_MS);
				continue;
			}
			for (let n = 0; n < AT_ONCE; n++)
				due.push(startedAt + (due.length / rate) * 1000);
			const request = requests.send(broker);
			underWay.add(request);
			// One that failed stays, for the next to wait to meet it.
			request.then(
				() => underWay.delete(request),
				() => {},
			);
			if (underWay.size >= IN_FLIGHT) await Promise.race(underWay);
		}
		await Promise.all(underWay);
		return (performance.now() - started) / 1000;
	} finally {
		allSent = true;
		await close();
	}
}

/** The age of each change when it was seen, seconds, ascending. */
async function watch(due: readonly number[]): Promise<number[]> {
	const engine = {
		store: openBelow("s3://lake/fresh", "orders", {
			accessKeyId: stack.s3.accessKeyId,
			secretAccessKey: stack.s3.secretAccessKey,
			endpoint: stack.s3.endpoint,
		}),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms: number) => sleep(ms),
		random: Math.random,
	};
	const ages: number[] = [];
	let snapshot: Snapshot | undefined;
	while (!(allSent && ages.length === due.length)) {
		snapshot =
			snapshot === undefined
				? await loadSnapshot(engine)
				: await refreshSnapshot(engine, snapshot);
		const seen = Math.max(
			-1,
			...[...(snapshot?.txns.values() ?? [])].map(({ version }) => version),
		);
		const now = Date.now();
		while (ages.length < due.length && backlog + ages.length <= seen)
			ages.push((now - (due[ages.length] as number)) / 1000);
		await sleep(POLL_MS);
	}
	return ages.sort((a, b) => a - b);
}

function quantile(sorted: readonly number[], share: number): number {
	const at = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
	return Number((sorted[at] ?? Number.NaN).toFixed(2));
}
