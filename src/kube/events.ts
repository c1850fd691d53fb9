import type { ApiClient } from "./client.ts";
import type { Clock } from "./clock.ts";
import { type KubeObject, type ResourceType, resourcePath } from "./object.ts";

export interface EventNote {
	readonly type: "Normal" | "Warning";
	/** CamelCase, for machines. */
	readonly reason: string;
	/** What was done, CamelCase. */
	readonly action: string;
	readonly note: string;
}

const EVENTS: ResourceType = {
	group: "events.k8s.io",
	version: "v1",
	kind: "Event",
	plural: "events",
};

const REPEAT_MS = 600_000;
const BURST = 20;
const REFILL_MS = 30_000;

/**
 * Writes events without floods: the same one about an object at most every ten minutes, and of any
 * kind at most 20 at once and then one every 30 s for each object. An event that can't be written is
 * reported and given up: it is a courtesy, and the condition that it announces stays.
 */
export class EventRecorder {
	readonly #client: ApiClient;
	readonly #clock: Clock;
	readonly #controller: string;
	readonly #instance: string;
	readonly #onError: (error: unknown) => void;
	readonly #objects = new Map<
		string,
		{ said: Map<string, number>; tokens: number; at: number }
	>();

	constructor(options: {
		client: ApiClient;
		clock: Clock;
		/** Such as `tributary.dev/operator`. */
		controller: string;
		/** This process. */
		instance: string;
		onError: (error: unknown) => void;
	}) {
		this.#client = options.client;
		this.#clock = options.clock;
		this.#controller = options.controller;
		this.#instance = options.instance;
		this.#onError = options.onError;
	}

	async record(about: KubeObject, event: EventNote): Promise<void> {
		if (!this.#admit(about, event)) return;
		const {
			name,
			namespace = "default",
			uid,
			resourceVersion,
		} = about.metadata;
		try {
			await this.#client.request({
				method: "POST",
				path: resourcePath(EVENTS, { namespace }),
				body: {
					apiVersion: "events.k8s.io/v1",
					kind: "Event",
					metadata: { generateName: `${name.slice(0, 200)}-`, namespace },
					eventTime: this.#clock.wall().toISOString().replace("Z", "000Z"),
					reportingController: this.#controller,
					reportingInstance: this.#instance.slice(0, 128),
					regarding: {
						apiVersion: about.apiVersion,
						kind: about.kind,
						name,
						namespace,
						uid,
						resourceVersion,
					},
					type: event.type,
					reason: event.reason,
					action: event.action,
					note: event.note.slice(0, 1024),
				},
			});
		} catch (error) {
			this.#onError(error);
		}
	}

	/** Forgets an object that is gone. */
	forget({ metadata }: KubeObject): void {
		this.#objects.delete(metadata.uid ?? "");
	}

	#admit({ metadata }: KubeObject, event: EventNote): boolean {
		const now = this.#clock.monotonic();
		const uid = metadata.uid ?? "";
		const state = this.#objects.get(uid) ?? {
			said: new Map<string, number>(),
			tokens: BURST,
			at: now,
		};
		this.#objects.set(uid, state);
		for (const [text, at] of state.said)
			if (now - at >= REPEAT_MS) state.said.delete(text);
		const text = `${event.type} ${event.reason} ${event.action} ${event.note}`;
		if (state.said.has(text)) return false;
		state.tokens = Math.min(BURST, state.tokens + (now - state.at) / REFILL_MS);
		state.at = now;
		if (state.tokens < 1) return false;
		state.tokens--;
		state.said.set(text, now);
		return true;
	}
}
