import { ApiError } from "./client.ts";
import { type Clock, jittered, sleep } from "./clock.ts";
import type { ListWatch } from "./list-watch.ts";
import { type KubeObject, keyOf } from "./object.ts";

/** Times in milliseconds. */
export interface ReflectorSettings {
	readonly pageSize: number;
	/** After which the server is asked to end a watch; at random up to twice as long. */
	readonly watchMs: number;
	/** Silence after which a watch counts as dead. The server sends a bookmark about every minute. */
	readonly inactivityMs: number;
	/** A new list repairs whatever the watches missed. */
	readonly relistMs: number;
	readonly backoffMs: number;
	readonly maxBackoffMs: number;
}

export const REFLECTOR_DEFAULTS: ReflectorSettings = {
	pageSize: 100,
	watchMs: 300_000,
	inactivityMs: 150_000,
	relistMs: 1_800_000,
	backoffMs: 800,
	maxBackoffMs: 30_000,
};

/** Told of a key whose object came, changed or went, with the object before. */
export type OnChange<T> = (
	key: string,
	object: T | undefined,
	before: T | undefined,
) => void;

/**
 * A copy of all objects of one kind, kept by list and watch.
 *
 * Invariants: `onChange` is called for every key whose object differs from the one it was last called
 * with, whether the watch, a list after it, or a periodic list showed it; the copy is never emptied
 * for the time of a list; nothing that the server does ends `run`.
 */
export class Reflector<T extends KubeObject> {
	readonly #source: ListWatch<T>;
	readonly #clock: Clock;
	readonly #settings: ReflectorSettings;
	readonly #onChange: OnChange<T>;
	readonly #onError: (error: unknown) => void;
	readonly #objects = new Map<string, T>();
	readonly #synced = Promise.withResolvers<void>();
	#lastHeard: number;
	#isSynced = false;

	constructor(options: {
		source: ListWatch<T>;
		clock: Clock;
		onChange: OnChange<T>;
		/** Told of every failure; the reflector goes on by itself. */
		onError: (error: unknown) => void;
		settings?: Partial<ReflectorSettings>;
	}) {
		this.#source = options.source;
		this.#clock = options.clock;
		this.#onChange = options.onChange;
		this.#onError = options.onError;
		this.#settings = { ...REFLECTOR_DEFAULTS, ...options.settings };
		this.#lastHeard = this.#clock.monotonic();
	}

	get(key: string): T | undefined {
		return this.#objects.get(key);
	}

	values(): IterableIterator<T> {
		return this.#objects.values();
	}

	get size(): number {
		return this.#objects.size;
	}

	get hasSynced(): boolean {
		return this.#isSynced;
	}

	/** Resolves after the first complete list. */
	get synced(): Promise<void> {
		return this.#synced.promise;
	}

	/** Milliseconds since the server last showed that it still talks to us. */
	get silenceMs(): number {
		return this.#clock.monotonic() - this.#lastHeard;
	}

	/** Lists and watches until the signal is aborted. */
	async run(signal: AbortSignal): Promise<void> {
		const { backoffMs } = this.#settings;
		let version: string | undefined;
		let relistAt = 0;
		let failures = 0;
		while (!signal.aborted) {
			try {
				if (version === undefined || this.#clock.monotonic() >= relistAt) {
					version = await this.#list(signal);
					relistAt =
						this.#clock.monotonic() +
						jittered(this.#clock, this.#settings.relistMs);
				}
				const started = this.#clock.monotonic();
				version = await this.#watch(version, signal);
				// A watch that ends at once must not become a hot loop.
				failures =
					this.#clock.monotonic() - started < backoffMs ? failures + 1 : 0;
				if (failures > 0) await this.#pause(failures, 0, signal);
			} catch (error) {
				if (signal.aborted) break;
				if (error instanceof WatchFailure) version = error.version;
				const cause = error instanceof WatchFailure ? error.cause : error;
				this.#onError(cause);
				const api = cause instanceof ApiError ? cause : undefined;
				if (api?.status === 410) version = undefined;
				failures =
					error instanceof WatchFailure && error.heard ? 1 : failures + 1;
				await this.#pause(failures, api?.retryAfterMs ?? 0, signal);
			}
		}
	}

	#pause(
		failures: number,
		retryAfterMs: number,
		signal: AbortSignal,
	): Promise<void> {
		const { backoffMs, maxBackoffMs } = this.#settings;
		const ms = Math.min(
			maxBackoffMs,
			backoffMs * 2 ** Math.min(failures - 1, 20),
		);
		return sleep(
			this.#clock,
			jittered(this.#clock, Math.max(ms, retryAfterMs)),
			signal,
		);
	}

	async #list(signal: AbortSignal): Promise<string> {
		const found = new Map<string, T>();
		let limit: number | undefined = this.#settings.pageSize;
		let next: string | undefined;
		let version: string;
		for (;;) {
			try {
				const page = await this.#source.list({ limit, next, signal });
				this.#lastHeard = this.#clock.monotonic();
				for (const object of page.items) found.set(keyOf(object), object);
				version = page.resourceVersion;
				next = page.next;
				if (next === undefined) break;
			} catch (error) {
				// The page token grew too old: one list in one piece can't.
				if (!(error instanceof ApiError && error.status === 410 && next))
					throw error;
				found.clear();
				next = undefined;
				limit = undefined;
			}
		}
		for (const key of [...this.#objects.keys()])
			if (!found.has(key)) this.#set(key, undefined);
		for (const [key, object] of found) this.#set(key, object);
		this.#isSynced = true;
		this.#synced.resolve();
		return version;
	}

	/** Watches from a version until the server ends it; the version to go on from. */
	async #watch(from: string, signal: AbortSignal): Promise<string> {
		const { watchMs, inactivityMs } = this.#settings;
		const silence = new AbortController();
		let cancel: () => void = () => {};
		const heard = (): void => {
			cancel();
			this.#lastHeard = this.#clock.monotonic();
			cancel = this.#clock.after(inactivityMs, () =>
				silence.abort(
					new ApiError(
						`the watch was silent for ${Math.round(inactivityMs / 1000)} s`,
						{ status: 0 },
					),
				),
			);
		};
		let version = from;
		let events = 0;
		heard();
		try {
			const stream = this.#source.watch({
				resourceVersion: from,
				timeoutSeconds: Math.ceil(
					(watchMs * (1 + this.#clock.random())) / 1000,
				),
				signal: AbortSignal.any([signal, silence.signal]),
			});
			for await (const event of stream) {
				heard();
				events++;
				if (event.type === "BOOKMARK") {
					version = event.resourceVersion;
					continue;
				}
				const { object } = event;
				version = object.metadata.resourceVersion ?? version;
				this.#set(keyOf(object), event.type === "DELETED" ? undefined : object);
			}
			if (silence.signal.aborted) throw silence.signal.reason;
			return version;
		} catch (error) {
			throw new WatchFailure(
				version,
				events > 0,
				silence.signal.aborted ? silence.signal.reason : error,
			);
		} finally {
			cancel();
		}
	}

	#set(key: string, object: T | undefined): void {
		const before = this.#objects.get(key);
		if (object === undefined) {
			if (!this.#objects.delete(key)) return;
		} else {
			this.#objects.set(key, object);
			if (
				before?.metadata.uid === object.metadata.uid &&
				before?.metadata.resourceVersion === object.metadata.resourceVersion
			)
				return;
		}
		this.#onChange(key, object, before);
	}
}

/** Carries the version that a broken watch had reached. */
class WatchFailure extends Error {
	readonly version: string;
	readonly heard: boolean;

	constructor(version: string, heard: boolean, cause: unknown) {
		super("watch failed", { cause });
		this.version = version;
		this.heard = heard;
	}
}
