import { TributaryError } from "../../../src/errors.ts";
import type {
	PartitionOffsets,
	Source,
	SourceBatch,
	SourceHandler,
	TopicPartition,
} from "../../../src/writer/source.ts";

export interface SimulatedRecord {
	readonly offset: bigint;
	readonly key: Uint8Array | null;
	readonly value: Uint8Array | null;
}

interface Partition {
	low: bigint;
	high: bigint;
	readonly records: SimulatedRecord[];
}

interface Topic {
	id: string;
	readonly partitions: Partition[];
}

/** A member of the group: one subscription of one process. */
interface Member {
	readonly isDead: () => boolean;
	readonly handler: SourceHandler;
	readonly topics: readonly string[];
	assigned: TopicPartition[];
	/** Where each partition is read next. */
	readonly at: Map<string, bigint>;
	readonly paused: Set<string>;
	readonly busy: Set<string>;
	/** Counts rebalances that it knows of; a zombie knows fewer. */
	generation: number;
	/** Does not hear of rebalances for a while: paused, as by SIGSTOP, past the session timeout. */
	deaf: boolean;
	stopped: boolean;
	moves: number;
}

/**
 * Kafka as the writer meets it, in one process: partitions with gaps in their offsets, retention,
 * topics made anew, a group with rebalances and with members that don't hear of them.
 */
export class SimulatedKafka {
	readonly clusterId = "cluster";
	readonly #topics = new Map<string, Topic>();
	readonly #members = new Set<Member>();
	readonly #random: () => number;
	#generation = 0;
	#ids = 0;

	constructor(random: () => number) {
		this.#random = random;
	}

	createTopic(name: string, partitions: number): void {
		this.#topics.set(name, {
			id: `topic-${++this.#ids}`,
			partitions: Array.from({ length: partitions }, () => ({
				low: 0n,
				high: 0n,
				records: [],
			})),
		});
	}

	produce(
		topic: string,
		partition: number,
		key: Uint8Array | null,
		value: Uint8Array | null,
	): void {
		const log = this.#partition({ topic, partition });
		log.records.push({ offset: log.high, key, value });
		// Markers of transactions take offsets too.
		log.high += this.#random() < 0.15 ? 2n : 1n;
	}

	/** Members join and leave; partitions go to others. */
	rebalance(): void {
		this.#generation++;
		const members = [...this.#members].filter(
			({ stopped, deaf }) => !stopped && !deaf,
		);
		for (const member of members) {
			member.assigned = [];
			member.at.clear();
			member.paused.clear();
			member.moves++;
			member.generation = this.#generation;
		}
		for (const [topic, { partitions }] of this.#topics)
			for (let partition = 0; partition < partitions.length; partition++) {
				const able = members.filter(({ topics }) => topics.includes(topic));
				const chosen = able[Math.floor(this.#random() * able.length)];
				chosen?.assigned.push({ topic, partition });
			}
		for (const member of members) member.handler.assigned(member.assigned);
	}

	/** One member stops hearing of the group, and goes on with what it has. */
	makeZombie(): void {
		const able = [...this.#members].filter(
			({ deaf, stopped }) => !deaf && !stopped,
		);
		const chosen = able[Math.floor(this.#random() * able.length)];
		if (chosen === undefined || able.length < 2) return;
		chosen.deaf = true;
		this.rebalance();
	}

	wakeZombies(): void {
		let woken = false;
		for (const member of this.#members) {
			woken ||= member.deaf;
			member.deaf = false;
		}
		if (woken) this.rebalance();
	}

	/** `turn` never comes for a process that is dead. */
	source(
		turn: () => Promise<void>,
		fails: () => boolean,
		isDead: () => boolean,
	): Source {
		const check = (): void => {
			if (fails()) throw new Error("Kafka does not answer");
		};
		return {
			clusterId: this.clusterId,
			topics: async () => {
				await turn();
				check();
				return new Map([...this.#topics].map(([name, { id }]) => [name, id]));
			},
			offsets: async (topic): Promise<readonly PartitionOffsets[]> => {
				await turn();
				if (fails())
					throw new TributaryError("KAFKA_UNREACHABLE", "no answer", {
						retryable: true,
					});
				return (this.#topics.get(topic)?.partitions ?? []).map(
					({ low, high }, partition) => ({ partition, low, high }),
				);
			},
			subscribe: async (topics, handler) => {
				await turn();
				const member: Member = {
					isDead,
					handler,
					topics,
					assigned: [],
					at: new Map(),
					paused: new Set(),
					busy: new Set(),
					generation: 0,
					deaf: false,
					stopped: false,
					moves: 0,
				};
				this.#members.add(member);
				this.rebalance();
				return {
					seek: (place, offset) => {
						member.at.set(keyOf(place), offset);
						member.moves++;
					},
					pause: (place) => {
						member.paused.add(keyOf(place));
						return () => member.paused.delete(keyOf(place));
					},
					commit: async () => {
						await turn();
						check();
					},
					stop: async () => {
						member.stopped = true;
						while (member.busy.size > 0) await turn();
					},
					close: async () => {
						this.#members.delete(member);
						this.rebalance();
					},
				};
			},
			close: async () => {},
		};
	}

	/** Members of processes that are gone: the group notices. */
	dropDead(): void {
		for (const member of [...this.#members])
			if (member.isDead()) {
				member.stopped = true;
				this.#members.delete(member);
			}
		this.rebalance();
	}

	/** The offset that the next record gets. */
	nextOffset(topic: string, partition: number): bigint {
		return this.#partition({ topic, partition }).high;
	}

	/** Hands some records of one partition to one member; whether there was something to do. */
	step(): boolean {
		const work = [...this.#members].flatMap((member) =>
			member.stopped || member.isDead()
				? []
				: member.assigned
						.filter((place) => this.#readable(member, place))
						.map((place) => ({ member, place })),
		);
		const chosen = work[Math.floor(this.#random() * work.length)];
		if (chosen === undefined) return false;
		const { member, place } = chosen;
		const key = keyOf(place);
		const log = this.#partition(place);
		const at = member.at.get(key) ?? log.low;
		// Now and then from before the place that was asked for, as brokers send whole batches.
		const from = this.#random() < 0.2 ? at - 2n : at;
		const count = 1 + Math.floor(this.#random() * 8);
		const records = log.records
			.filter(({ offset }) => offset >= from && offset >= log.low)
			.slice(0, count);
		const last = records.at(-1);
		const following = log.records.find(
			({ offset }) => last === undefined || offset > last.offset,
		);
		const next = following?.offset ?? log.high;
		const { moves } = member;
		const batch: SourceBatch = {
			...place,
			records: records.map((record) => ({
				...record,
				offset: Number(record.offset),
				headers: () => [],
				timestamp: () => 1,
			})),
			next,
			highWatermark: log.high,
			current: () => !member.stopped && member.moves === moves,
			heartbeat: async () => {},
			done: (offset) => {
				if (member.moves === moves) member.at.set(key, offset + 1n);
			},
		};
		member.busy.add(key);
		void member.handler.consume(batch).finally(() => member.busy.delete(key));
		return true;
	}

	#readable(member: Member, place: TopicPartition): boolean {
		const key = keyOf(place);
		if (member.paused.has(key) || member.busy.has(key)) return false;
		const log = this.#partition(place);
		return (member.at.get(key) ?? log.low) < log.high;
	}

	#partition({ topic, partition }: TopicPartition): Partition {
		const found = this.#topics.get(topic)?.partitions[partition];
		if (found === undefined) throw new Error(`no ${topic}/${partition}`);
		return found;
	}
}

function keyOf({ topic, partition }: TopicPartition): string {
	return `${topic}/${partition}`;
}
