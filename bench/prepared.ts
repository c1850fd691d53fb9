import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import kafkajs from "kafkajs";
import {
	type Broker,
	type Exchange,
	encoded,
	newCluster,
} from "../src/writer/cluster.ts";
import type { EnvelopeText } from "./envelope.ts";

/** Produce requests as kafkajs makes them; 7 is the newest that it has. */
const VERSION = 7;
const { protocol } = createRequire(import.meta.url)(
	"kafkajs/src/protocol/requests/produce",
) as {
	protocol(which: { version: number }): (options: object) => Exchange<unknown>;
};

/**
 * Produce requests that are made before they are needed, in a file: to send them costs next to nothing,
 * which leaves the machine to those who are measured.
 */
export class PreparedRequests {
	readonly #file: number;
	readonly #sizes: number[] = [];
	readonly #exchange = exchangeOf("", []);
	#next = 0;
	#at = 0;

	private constructor(file: number) {
		this.#file = file;
	}

	/** `events` messages for the first partition of a topic, `each` of them in a request; whole requests, so up to `each` fewer. */
	static async make(options: {
		readonly path: string;
		readonly topic: string;
		readonly events: number;
		readonly each: number;
		readonly make: (i: number) => EnvelopeText;
	}): Promise<PreparedRequests> {
		const { path, topic, events, each, make } = options;
		const prepared = new PreparedRequests(openSync(path, "w+"));
		for (let start = 0; start + each <= events; start += each) {
			const messages = Array.from({ length: each }, (_, n) => make(start + n));
			const { request } = exchangeOf(topic, messages);
			const { buffer } = (await request.encode()) as {
				readonly buffer: Buffer;
			};
			writeSync(prepared.#file, buffer);
			prepared.#sizes.push(buffer.length);
		}
		return prepared;
	}

	get left(): number {
		return this.#sizes.length - this.#next;
	}

	/** Sends the next one. */
	async send(broker: Broker): Promise<void> {
		const size = this.#sizes[this.#next++] ?? 0;
		const body = Buffer.allocUnsafeSlow(size);
		readSync(this.#file, body, 0, size, this.#at);
		this.#at += size;
		const { request, response } = this.#exchange;
		await broker.connectionPool.send({
			request: { ...request, encode: encoded(body) },
			response,
		});
	}

	close(): void {
		closeSync(this.#file);
	}
}

/** The one broker of a stack. */
export async function connectBroker(
	bootstrap: string,
): Promise<{ readonly broker: Broker; close(): Promise<void> }> {
	const kafka = new kafkajs.Kafka({
		brokers: [bootstrap],
		logLevel: kafkajs.logLevel.ERROR,
	});
	const cluster = newCluster(kafka, { metadataMaxAge: 300_000 });
	await cluster.connect();
	return {
		broker: await cluster.brokerPool.findConnectedBroker(),
		close: () => cluster.disconnect(),
	};
}

function exchangeOf(
	topic: string,
	messages: readonly EnvelopeText[],
): Exchange<unknown> {
	return protocol({ version: VERSION })({
		acks: 1,
		timeout: 30_000,
		topicData: [{ topic, partitions: [{ partition: 0, messages }] }],
	});
}
