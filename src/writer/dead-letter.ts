import { vectorOf } from "../columnar/literal.ts";
import { field, struct } from "../columnar/types.ts";
import type { Batch, Row } from "../columnar/vector.ts";
import { commit } from "../delta/commit.ts";
import type { Engine } from "../delta/engine.ts";
import { newLayout } from "../delta/evolve.ts";
import { loadSnapshot, type Snapshot } from "../delta/snapshot.ts";
import { stageFiles } from "../delta/stage.ts";
import { appId } from "./position.ts";
import type { TopicId } from "./source.ts";

export const DEAD_LETTERS = "_dead_letters";

const SCHEMA = struct(
	field("topic", "string"),
	field("partition", "integer"),
	field("offset", "long"),
	field("key", "binary"),
	field("value", "binary"),
	field("headers", {
		type: "map",
		keyType: "string",
		valueType: "binary",
		valueContainsNull: true,
	}),
	field("error_code", "string"),
	field("error_message", "string"),
	field("received_at", "timestamp"),
);

export interface DeadLetter {
	readonly topic: string;
	readonly partition: number;
	readonly offset: bigint;
	readonly key: Uint8Array | null;
	readonly value: Uint8Array | null;
	readonly headers: ReadonlyMap<string, Uint8Array>;
	readonly code: string;
	readonly message: string;
}

/**
 * Records that could not become rows, with their raw bytes, in a table of their own. They are
 * committed before the offsets behind them are, and the table's own `txn` keeps a record that is
 * read again after a crash from being there twice.
 */
export class DeadLetters {
	readonly #engine: Engine;
	readonly #pipeline: string;
	readonly #clusterId: string;
	readonly #topicId: (topic: string) => TopicId;
	#flushing: Promise<number> = Promise.resolve(0);
	#snapshot: Snapshot | undefined;
	#pending: DeadLetter[] = [];

	constructor(
		engine: Engine,
		pipeline: string,
		clusterId: string,
		topicId: (topic: string) => TopicId,
	) {
		this.#engine = engine;
		this.#pipeline = pipeline;
		this.#clusterId = clusterId;
		this.#topicId = topicId;
	}

	/** A record that two tables refuse is kept once. */
	add(letter: DeadLetter): boolean {
		const known = this.#pending.some(
			(one) =>
				one.offset === letter.offset &&
				one.partition === letter.partition &&
				one.topic === letter.topic,
		);
		if (!known) this.#pending.push(letter);
		return !known;
	}

	reset(): void {
		this.#pending = [];
		this.#snapshot = undefined;
	}

	/** Commits what there is; every table does so before its own commit, one after another. */
	flush(): Promise<number> {
		const run = this.#flushing
			.catch(() => 0) // Its own caller hears of it.
			.then(() => this.#flush());
		this.#flushing = run;
		return run;
	}

	async #flush(): Promise<number> {
		const letters = [...this.#pending];
		if (letters.length === 0) return 0;
		const now = this.#engine.now();
		const id = ({ topic, partition }: DeadLetter): string =>
			appId({
				pipeline: this.#pipeline,
				clusterId: this.#clusterId,
				topic,
				topicId: this.#topicId(topic),
				partition,
			});
		this.#snapshot ??= await loadSnapshot(this.#engine);
		for (;;) {
			const at = this.#snapshot;
			const fresh = letters.filter(
				(letter) =>
					letter.offset > BigInt(at?.txns.get(id(letter))?.version ?? -1),
			);
			if (fresh.length === 0) break;
			const created =
				at === undefined
					? newLayout(
							this.#engine.store.url,
							{ schema: SCHEMA, name: DEAD_LETTERS },
							this.#engine,
						)
					: undefined;
			const table = created?.table ?? at;
			if (table === undefined) break;
			const files = await stageFiles(this.#engine, table, batchOf(fresh, now));
			const last = new Map<string, bigint>();
			for (const letter of fresh)
				if (letter.offset > (last.get(id(letter)) ?? -1n))
					last.set(id(letter), letter.offset);
			const outcome = await commit(this.#engine, {
				base: at,
				plan: (snapshot) => {
					const moved = [...last.keys()].some(
						(key) =>
							snapshot?.txns.get(key)?.version !== at?.txns.get(key)?.version,
					);
					if (moved) return { kind: "abandon", reason: "moved" };
					return {
						kind: "commit",
						actions: [
							...(snapshot === undefined ? (created?.actions ?? []) : []),
							...[...last].map(([key, offset]) => ({
								txn: {
									appId: key,
									version: Number(offset),
									lastUpdated: now,
								},
							})),
							...files.map(({ add }) => ({ add })),
						],
						info: { operation: "WRITE", isBlindAppend: true },
					};
				},
			});
			this.#snapshot = outcome.snapshot;
			if (outcome.kind === "committed") break;
		}
		this.#pending = this.#pending.slice(letters.length);
		return letters.length;
	}
}

function batchOf(letters: readonly DeadLetter[], nowMs: number): Batch {
	const rows: Row[] = letters.map((letter) => ({
		topic: letter.topic,
		partition: letter.partition,
		offset: letter.offset,
		key: letter.key,
		value: letter.value,
		headers: new Map(letter.headers),
		error_code: letter.code,
		error_message: letter.message,
		received_at: BigInt(nowMs) * 1000n,
	}));
	return {
		schema: SCHEMA,
		length: rows.length,
		columns: SCHEMA.fields.map(({ name, type }) =>
			vectorOf(
				type,
				rows.map((row) => row[name] ?? null),
			),
		),
	};
}
