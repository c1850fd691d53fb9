import { RESCUED_DATA } from "../change/metadata-columns.ts";
import { nullVector } from "../columnar/literal.ts";
import type { Batch, Vector } from "../columnar/vector.ts";
import type { AddFile } from "../delta/actions.ts";
import type { Engine } from "../delta/engine.ts";
import { fileKey } from "../delta/file-key.ts";
import { scanFiles } from "../delta/scan.ts";
import { readCommit, type Snapshot } from "../delta/snapshot.ts";
import type { Seed } from "../index/chaskey.ts";
import type { KeyBatch } from "../index/key-batch.ts";
import { encodeKeys } from "../index/key-encoder.ts";
import { KeyIndex, type KeyIndexOptions } from "../index/key-index.ts";
import type { KeyColumn } from "../index/key-part.ts";
import { SHARD_TAG } from "../index/shard-tag.ts";

/** The field of `commitInfo` that the commits of mirrors have. */
export const MIRROR_COMMIT = "tributaryMirror";

/** Commits that are followed one by one; after more of them the files are compared. */
const MOST_COMMITS = 1000;

/** How an index came to be that of a version. */
export interface Followed {
	readonly kind: "current" | "followed" | "rebuilt";
	/** Why it was made again. */
	readonly reason?: string;
	/** Files whose keys were read. */
	readonly files: number;
}

/** The key index of one shard of a table, brought to each version before it is asked. */
export class ShardIndex {
	readonly keys: KeyIndex;
	readonly #engine: Engine;
	readonly #shard: string;
	readonly #keyColumns: readonly string[];
	readonly #seed: Seed;
	/** The index was compared with the table since it was opened. */
	#compared = false;

	private constructor(keys: KeyIndex, options: ShardIndexOptions) {
		this.keys = keys;
		this.#engine = options.engine;
		this.#shard = options.identity.shard;
		this.#keyColumns = options.identity.keyColumns;
		this.#seed = options.seed;
	}

	static async open(options: ShardIndexOptions): Promise<ShardIndex> {
		return new ShardIndex(await KeyIndex.open(options), options);
	}

	/**
	 * Brings the index to the snapshot's version. A commit of a mirror only takes rows of its own keys
	 * out of files, so its vectors change nothing here; what another writer did to a file is learnt by
	 * reading that file's keys again.
	 */
	async follow(snapshot: Snapshot): Promise<Followed> {
		const { keys } = this;
		if (keys.version === snapshot.version && this.#compared)
			return { kind: "current", files: 0 };
		if (keys.version < 0 || keys.version > snapshot.version)
			return await this.rebuild(
				snapshot,
				keys.unused ??
					`it stands for version ${keys.version}, the table is at ${snapshot.version}`,
			);
		const touched = await this.#touchedSince(keys.version, snapshot);
		const files: [number, string | undefined][] = [];
		const read: AddFile[] = [];
		const decide = (path: string, file: AddFile | undefined, own: boolean) => {
			const number = keys.files.number(path);
			if (file === undefined || !this.#covers(file)) {
				if (number !== undefined) files.push([number, undefined]);
				return;
			}
			const key = fileKey(file);
			if (number === undefined) read.push(file);
			else if (keys.files.key(number) !== key) {
				files.push([number, own ? key : undefined]);
				if (!own) read.push(file);
			}
		};
		if (touched !== undefined && this.#compared)
			for (const [path, { file, own }] of touched) decide(path, file, own);
		else {
			const seen = new Set<number>();
			for (const file of snapshot.files.values()) {
				const path = pathOf(fileKey(file));
				const number = keys.files.number(path);
				if (number !== undefined) seen.add(number);
				decide(path, file, touched?.get(path)?.own ?? false);
			}
			for (const [, number] of keys.files.entries())
				if (!seen.has(number)) files.push([number, undefined]);
		}
		files.push(...(await this.#read(snapshot, read)));
		if (files.length > 0 || keys.version !== snapshot.version)
			await keys.apply({ version: snapshot.version, files });
		this.#compared = true;
		return { kind: "followed", files: read.length };
	}

	/** Makes the index again from the key columns of the shard's files. */
	async rebuild(snapshot: Snapshot, reason: string): Promise<Followed> {
		await this.keys.begin();
		const own: AddFile[] = [];
		for (const file of snapshot.files.values())
			if (this.#covers(file)) own.push(file);
		const files = await this.#read(snapshot, own);
		await this.keys.apply({ version: snapshot.version, files });
		this.#compared = true;
		return { kind: "rebuilt", reason, files: own.length };
	}

	/** The index is that of a table that is about to be made. */
	async start(): Promise<void> {
		await this.keys.begin();
		this.#compared = true;
	}

	/** Files of this shard, and those that no shard of as many owns. */
	#covers(file: AddFile): boolean {
		const tag = file.tags?.[SHARD_TAG];
		return (
			tag === undefined ||
			tag === this.#shard ||
			tag.split("/")[1] !== this.#shard.split("/")[1]
		);
	}

	/** What commits left of the paths that they touched; `undefined` when they can't be read. */
	async #touchedSince(
		version: number,
		snapshot: Snapshot,
	): Promise<
		Map<string, { file: AddFile | undefined; own: boolean }> | undefined
	> {
		if (snapshot.version - version > MOST_COMMITS) return undefined;
		const touched = new Map<
			string,
			{ file: AddFile | undefined; own: boolean }
		>();
		for (let next = version + 1; next <= snapshot.version; next++) {
			const actions = await readCommit(this.#engine, next);
			if (actions === undefined) return undefined;
			const own = actions.some(
				(action) =>
					"commitInfo" in action && action.commitInfo[MIRROR_COMMIT] === true,
			);
			// A file that gets a new deletion vector is removed and added in one commit.
			for (const action of actions)
				if ("remove" in action) {
					const path = pathOf(fileKey(action.remove));
					const before = touched.get(path)?.own ?? true;
					touched.set(path, { file: undefined, own: own && before });
				}
			for (const action of actions)
				if ("add" in action) {
					const path = pathOf(fileKey(action.add));
					const before = touched.get(path)?.own ?? true;
					touched.set(path, { file: action.add, own: own && before });
				}
		}
		return touched;
	}

	/** Takes the keys of files over; what they are called once they are all there. */
	async #read(
		snapshot: Snapshot,
		files: readonly AddFile[],
	): Promise<[number, string][]> {
		const numbers = new Map<string, number>();
		for (const file of files) numbers.set(fileKey(file), this.keys.allocate());
		const names = new Set(snapshot.schema.fields.map(({ name }) => name));
		const columns = [...this.#keyColumns, RESCUED_DATA.name].filter((name) =>
			names.has(name),
		);
		if (files.length > 0)
			for await (const { batch, file, rows } of scanFiles(
				this.#engine,
				snapshot,
				{ columns, files },
			)) {
				const number = numbers.get(fileKey(file)) as number;
				await this.keys.put({
					keys: rowKeys(batch, this.#keyColumns, this.#seed),
					files: new Uint32Array(batch.length).fill(number),
					rows: Uint32Array.from(rows),
				});
			}
		return [...numbers].map(([key, number]) => [number, key]);
	}
}

export interface ShardIndexOptions extends KeyIndexOptions {
	readonly engine: Engine;
	readonly seed: Seed;
}

/** Keys of a batch's rows; a key that never fitted has no column, and is in the rescued data. */
export function rowKeys(
	batch: Batch,
	names: readonly string[],
	seed: Seed,
): KeyBatch {
	const column = (name: string): KeyColumn | undefined => {
		const i = batch.schema.fields.findIndex((field) => field.name === name);
		const type = batch.schema.fields[i]?.type;
		const vector = batch.columns[i];
		return type === undefined || vector === undefined
			? undefined
			: { name, type, vector };
	};
	const rescued: Vector | undefined = column(RESCUED_DATA.name)?.vector;
	const columns = names.map(
		(name): KeyColumn =>
			column(name) ?? {
				name,
				type: "string",
				vector: nullVector("string", batch.length),
			},
	);
	return encodeKeys(columns, batch.length, { seed, rescued });
}

function pathOf(key: string): string {
	const end = key.indexOf("\n");
	return end < 0 ? key : key.slice(0, end);
}
