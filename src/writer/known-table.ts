import type { StructType } from "../columnar/types.ts";
import type { Engine } from "../delta/engine.ts";
import {
	loadSnapshot,
	refreshSnapshot,
	type Snapshot,
} from "../delta/snapshot.ts";

export interface KnownTableOptions {
	readonly engine: Engine;
	/** How long the newest snapshot is trusted without a look at the table; milliseconds. */
	readonly cacheTtlMs: number;
	/** Told of each snapshot that has other metadata than the one before. */
	readonly onMetadata: (snapshot: Snapshot | undefined) => void;
}

/**
 * A table as its writer knows it. Reads and commits overlap, so what comes late may be old: the
 * snapshot never goes back.
 */
export class KnownTable {
	/** What rows are decoded for: nothing in it may be gone when they are written. */
	rowSchema: StructType | undefined;
	readonly #options: KnownTableOptions;
	#snapshot: Snapshot | undefined;
	/** When the snapshot was last known to be the newest; milliseconds. */
	#checkedAt = Number.NEGATIVE_INFINITY;

	constructor(options: KnownTableOptions) {
		this.#options = options;
	}

	get snapshot(): Snapshot | undefined {
		return this.#snapshot;
	}

	/** The table is as the snapshot says, unless more is known. */
	know(snapshot: Snapshot | undefined): void {
		if ((snapshot?.version ?? -1) < (this.#snapshot?.version ?? -1)) return;
		if (snapshot?.metadata !== this.#snapshot?.metadata)
			this.#options.onMetadata(snapshot);
		this.#snapshot = snapshot;
	}

	/** As `know`, of a table that was looked at just now. */
	knowNow(snapshot: Snapshot | undefined): void {
		this.know(snapshot);
		this.#checkedAt = this.#options.engine.now();
	}

	/** Reads the newest snapshot; it is not known by that. */
	newest(): Promise<Snapshot | undefined> {
		const { engine } = this.#options;
		return this.#snapshot === undefined
			? loadSnapshot(engine)
			: refreshSnapshot(engine, this.#snapshot);
	}

	/** Looks at the table when its schema has been trusted for as long as it may be. */
	async refresh(): Promise<void> {
		const { engine, cacheTtlMs } = this.#options;
		const base = this.#snapshot;
		if (base === undefined) return;
		if (engine.now() - this.#checkedAt < cacheTtlMs) return;
		const snapshot = await refreshSnapshot(engine, base);
		if (this.#snapshot === base) this.know(snapshot);
		this.#checkedAt = engine.now();
	}
}
