import { type ApiClient, ApiError } from "./client.ts";
import { type Clock, sleep } from "./clock.ts";
import { type ResourceType, resourcePath } from "./object.ts";

/** `spec` of a coordination.k8s.io/v1 Lease. */
export interface LeaseSpec {
	readonly holderIdentity?: string;
	readonly leaseDurationSeconds?: number;
	readonly acquireTime?: string;
	readonly renewTime?: string;
	readonly leaseTransitions?: number;
}

export interface LeaseRecord {
	/** Token for `update`, changed by every write. */
	readonly version: string;
	readonly spec: LeaseSpec;
}

/** Where the lease is kept. A write that lost a race is `undefined`, not an error. */
export interface LeaseStore {
	get(signal: AbortSignal): Promise<LeaseRecord | undefined>;
	create(
		spec: LeaseSpec,
		signal: AbortSignal,
	): Promise<LeaseRecord | undefined>;
	update(
		record: LeaseRecord,
		signal: AbortSignal,
	): Promise<LeaseRecord | undefined>;
}

/** Milliseconds; the defaults are client-go's. */
export interface ElectionTimes {
	readonly leaseMs: number;
	readonly renewDeadlineMs: number;
	readonly retryMs: number;
}

export const ELECTION_TIMES: ElectionTimes = {
	leaseMs: 15_000,
	renewDeadlineMs: 10_000,
	retryMs: 2_000,
};

const NEVER = {
	monotonic: Number.NEGATIVE_INFINITY,
	wall: Number.NEGATIVE_INFINITY,
};

/**
 * Elects one leader among those that share a lease.
 *
 * Nobody's wall clock is compared with another's: a candidate takes over when the lease did not change
 * for its duration as measured here. The leader counts its own term from before the request that
 * renewed it was sent, and stops at `renewDeadlineMs`; others start counting after that request
 * arrived, and wait for `leaseMs`. So two never lead at once while clocks run at about one rate. A machine
 * that was suspended shows it by its wall clock alone, so the leader's own two clocks must both agree
 * that its term lasts; a wall clock that is set forward costs a term, one set back nothing.
 */
export class LeaseElection {
	readonly #store: LeaseStore;
	readonly #clock: Clock;
	readonly #identity: string;
	readonly #times: ElectionTimes;
	readonly #onError: (error: unknown) => void;
	#seen: { record: LeaseRecord; at: number } | undefined;
	#leadsUntil = NEVER;

	constructor(options: {
		store: LeaseStore;
		clock: Clock;
		identity: string;
		times?: ElectionTimes;
		onError?: (error: unknown) => void;
	}) {
		this.#store = options.store;
		this.#clock = options.clock;
		this.#identity = options.identity;
		this.#times = options.times ?? ELECTION_TIMES;
		this.#onError = options.onError ?? (() => {});
	}

	get isLeader(): boolean {
		return (
			this.#clock.monotonic() < this.#leadsUntil.monotonic &&
			this.#clock.wall().getTime() < this.#leadsUntil.wall
		);
	}

	/** Whoever held the lease when it was last read. */
	get holder(): string {
		return this.#seen?.record.spec.holderIdentity ?? "";
	}

	/**
	 * Waits for the lease, then calls `lead` with a signal that is aborted when the term ends, and
	 * returns when `lead` has returned. Gives the lease up on return.
	 */
	async run(
		signal: AbortSignal,
		lead: (term: AbortSignal) => Promise<void>,
	): Promise<void> {
		while (!signal.aborted && !(await this.#try(signal)))
			await sleep(
				this.#clock,
				this.#times.retryMs * (1 + this.#clock.random() * 0.2),
				signal,
			);
		if (signal.aborted) return this.#release();
		const term = new AbortController();
		const renewals = new AbortController();
		const stop = (): void => term.abort();
		signal.addEventListener("abort", stop, { once: true });
		const renewing = this.#renew(renewals.signal, stop);
		try {
			await lead(term.signal);
		} finally {
			signal.removeEventListener("abort", stop);
			renewals.abort();
			await renewing;
			await this.#release();
		}
	}

	async #renew(signal: AbortSignal, lost: () => void): Promise<void> {
		let cancel: () => void = () => {};
		const arm = (): void => {
			cancel();
			cancel = this.#clock.after(
				Math.max(0, this.#leadsUntil.monotonic - this.#clock.monotonic()),
				// A request that hangs must not hold the end of the term up.
				() => lost(),
			);
		};
		arm();
		while (!signal.aborted) {
			await sleep(this.#clock, this.#times.retryMs, signal);
			if (signal.aborted) break;
			// A process that was held up may find its term over here, before its timer says so.
			if (this.isLeader && (await this.#try(signal))) arm();
			else if (!this.isLeader || !this.#isMine()) {
				this.#leadsUntil = NEVER;
				lost();
				break;
			}
		}
		cancel();
	}

	#isMine(): boolean {
		return this.holder === this.#identity;
	}

	/** Takes or renews the lease; false if another holds it or the server did not say. */
	async #try(signal: AbortSignal): Promise<boolean> {
		const { renewDeadlineMs } = this.#times;
		const until = {
			monotonic: this.#clock.monotonic() + renewDeadlineMs,
			wall: this.#clock.wall().getTime() + renewDeadlineMs,
		};
		const attempt = new AbortController();
		const cancel = this.#clock.after(renewDeadlineMs / 2, () =>
			attempt.abort(new Error("no answer in time")),
		);
		try {
			const record = await this.#write(
				AbortSignal.any([signal, attempt.signal]),
			);
			if (record === undefined || signal.aborted) return false;
			this.#seen = { record, at: this.#clock.monotonic() };
			this.#leadsUntil = until;
			return this.isLeader;
		} catch (error) {
			if (!signal.aborted) this.#onError(error);
			return false;
		} finally {
			cancel();
		}
	}

	async #write(signal: AbortSignal): Promise<LeaseRecord | undefined> {
		const found = await this.#store.get(signal);
		const now = this.#clock.wall().toISOString().replace("Z", "000Z");
		const mine: LeaseSpec = {
			holderIdentity: this.#identity,
			leaseDurationSeconds: Math.ceil(this.#times.leaseMs / 1000),
			acquireTime: now,
			renewTime: now,
			leaseTransitions: 0,
		};
		if (found === undefined) return this.#store.create(mine, signal);
		if (found.version !== this.#seen?.record.version)
			this.#seen = { record: found, at: this.#clock.monotonic() };
		const { spec } = found;
		if (spec.holderIdentity === this.#identity)
			return this.#store.update(
				{
					version: found.version,
					spec: {
						...mine,
						acquireTime: spec.acquireTime ?? now,
						leaseTransitions: spec.leaseTransitions ?? 0,
					},
				},
				signal,
			);
		const age = this.#clock.monotonic() - this.#seen.at;
		const term = Math.max(
			this.#times.leaseMs,
			(spec.leaseDurationSeconds ?? 0) * 1000,
		);
		if (spec.holderIdentity && age < term) return undefined;
		return this.#store.update(
			{
				version: found.version,
				spec: { ...mine, leaseTransitions: (spec.leaseTransitions ?? 0) + 1 },
			},
			signal,
		);
	}

	/** Lets the next leader start at once instead of after a full term. */
	async #release(): Promise<void> {
		const wasMine = this.#isMine();
		this.#leadsUntil = NEVER;
		const seen = this.#seen;
		if (!wasMine || seen === undefined) return;
		const attempt = new AbortController();
		const cancel = this.#clock.after(2_000, () => attempt.abort());
		try {
			await this.#store.update(
				{
					version: seen.record.version,
					spec: { ...seen.record.spec, holderIdentity: "" },
				},
				attempt.signal,
			);
		} catch (error) {
			this.#onError(error);
		} finally {
			cancel();
		}
	}
}

const LEASES: ResourceType = {
	group: "coordination.k8s.io",
	version: "v1",
	kind: "Lease",
	plural: "leases",
};

interface Lease {
	readonly metadata: { readonly resourceVersion: string };
	readonly spec?: LeaseSpec;
}

/** A lease on the API server. */
export function apiLeaseStore(
	client: ApiClient,
	{ namespace, name }: { namespace: string; name: string },
): LeaseStore {
	const apiVersion = "coordination.k8s.io/v1";
	const path = resourcePath(LEASES, { namespace, name });

	async function answer(
		request: Promise<Lease>,
		absent: number,
	): Promise<LeaseRecord | undefined> {
		try {
			const { metadata, spec } = await request;
			return { version: metadata.resourceVersion, spec: spec ?? {} };
		} catch (error) {
			if (error instanceof ApiError && error.status === absent)
				return undefined;
			throw error;
		}
	}

	return {
		get: (signal) => answer(client.request<Lease>({ path, signal }), 404),
		create: (spec, signal) =>
			answer(
				client.request<Lease>({
					method: "POST",
					path: resourcePath(LEASES, { namespace }),
					body: {
						apiVersion,
						kind: "Lease",
						metadata: { name, namespace },
						spec,
					},
					signal,
				}),
				409,
			),
		update: ({ version, spec }, signal) =>
			answer(
				client.request<Lease>({
					method: "PUT",
					path,
					body: {
						apiVersion,
						kind: "Lease",
						metadata: { name, namespace, resourceVersion: version },
						spec,
					},
					signal,
				}),
				409,
			),
	};
}
