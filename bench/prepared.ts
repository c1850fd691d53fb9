import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import kafkajs from "kafkajs";
import {
	type Broker,
	type Exchange,
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
	/** Messages of a request. */
	readonly each: number;
	readonly #file: number;
	readonly #sizes: number[] = [];
	readonly #exchange: Exchange<unknown>;
	#next = 0;
	#at = 0;

	private constructor(each: number, file: number) {
		this.each = each;
		this.#file = file;
		this.#exchange = request("", []);
	}

	/** `events` messages for the first partition of a topic; whole requests, so up to `each` fewer. */
	static async make(options: {
		readonly path: string;
		readonly topic: string;
		readonly events: number;
		readonly each: number;
		readonly make: (i: number) => EnvelopeText;
	}): Promise<PreparedRequests> {
		const { path, topic, events, each, make } = options;
		const prepared = new PreparedRequests(each, openSync(path, "w+"));
		for (let start = 0; start + each <= events; start += each) {
			const body = await bodyOf(
				request(
					topic,
					Array.from({ length: each }, (_, n) => make(start + n)),
				),
			);
			writeSync(prepared.#file, body);
			prepared.#sizes.push(body.length);
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
			request: {
				...request,
				encode: async () => ({ buf: body, buffer: body, size: () => size }),
			},
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

function request(
	topic: string,
	messages: readonly EnvelopeText[],
): Exchange<unknown> {
	return protocol({ version: VERSION })({
		acks: 1,
		timeout: 30_000,
		topicData: [{ topic, partitions: [{ partition: 0, messages }] }],
	});
}

async function bodyOf({ request }: Exchange<unknown>): Promise<Buffer> {
	const { buffer } = (await request.encode()) as { readonly buffer: Buffer };
	return buffer;
}
