import { messageOf } from "../errors.ts";
import type { PutOutcome } from "../storage/store.ts";
import type { Action } from "./actions.ts";
import { commitContent } from "./commit-content.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { commitPath, serialiseCommit } from "./log.ts";
import { maintainLog } from "./log-maintenance.ts";
import type { CommitOutcome, CommitRequest } from "./outcome.ts";
import {
	advance,
	followLog,
	loadSnapshot,
	type NewCommit,
	readCommit,
	type Snapshot,
} from "./snapshot.ts";

const BACKOFF_MS = 20;
const MAX_BACKOFF_MS = 2000;
const SETTLE_TRIES = 10;

/**
 * Commits what `plan` wants as the next version: one conditional PUT is the commit point. A race
 * lost to another writer leads to a new plan against the newer snapshot; an ambiguous PUT is resolved
 * by reading the version back and comparing `commitInfo.txnId`.
 *
 * @throws DeltaError when the plan breaks the protocol or the table can't be written
 * @throws StorageError when the store refuses
 */
export async function commit(
	engine: Engine,
	request: CommitRequest,
): Promise<CommitOutcome> {
	const maxAttempts = request.maxAttempts ?? 50;
	if (request.base !== undefined && (await isForgotten(engine, request.base)))
		return {
			kind: "conflict",
			attempts: 0,
			snapshot: await loadSnapshot(engine),
		};
	let snapshot = request.base ?? (await loadSnapshot(engine));
	let winners: readonly NewCommit[] = [];
	for (let attempt = 1; attempt <= maxAttempts; attempt++) {
		const plan = request.plan(snapshot, winners);
		if (plan.kind === "abandon")
			return { kind: "abandoned", reason: plan.reason, snapshot };
		if (plan.kind === "conflict")
			return {
				kind: "conflict",
				conflict: plan.conflict,
				attempts: attempt,
				snapshot,
			};

		const version = (snapshot?.version ?? -1) + 1;
		const txnId = engine.uuid();
		const actions = await commitContent(engine, plan, snapshot, txnId);
		const winner = await publish(engine, version, actions, txnId);
		if (winner === undefined) {
			const next = advance(snapshot, engine.store.url, version, actions);
			return {
				kind: "committed",
				version,
				snapshot: await maintainLog(engine, next),
				attempts: attempt,
			};
		}
		// One loss is no crowd.
		if (attempt > 1)
			await engine.sleep(
				engine.random() *
					Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(attempt, 10)),
			);
		if (snapshot === undefined) {
			snapshot = await loadSnapshot(engine);
			winners = [];
		} else
			({ snapshot, commits: winners } = await followLog(engine, snapshot, [
				{ version, actions: winner },
			]));
	}
	return { kind: "conflict", attempts: maxAttempts, snapshot };
}

/** Nobody cleans up a log sooner. */
const KEPT_MS = 86_400_000;

/**
 * Whether the log was cleaned up past this version: the next one's place may be free again then, though
 * the table is far ahead.
 */
async function isForgotten(
	{ store, now }: Engine,
	{ version, timestamp }: Snapshot,
): Promise<boolean> {
	if (timestamp !== undefined && now() - timestamp < KEPT_MS) return false;
	return (await store.head(commitPath(version))) === undefined;
}

/**
 * Makes this commit version `version`; the only place that writes to the log.
 * @returns the actions of the commit that is there instead, `undefined` when it is this one
 * @throws DeltaError DELTA_COMMIT_UNKNOWN when that can't be found out
 */
async function publish(
	engine: Engine,
	version: number,
	actions: readonly Action[],
	txnId: string,
): Promise<readonly Action[] | undefined> {
	const body = serialiseCommit(actions);
	const put = (): Promise<PutOutcome> =>
		engine.committer?.publish(commitPath(version), body) ??
		engine.store.putIfAbsent(commitPath(version), body);
	const outcome = await put();
	switch (outcome.kind) {
		case "created":
			return undefined;
		case "exists": {
			const found = await readCommit(engine, version);
			if (found === undefined)
				throw new DeltaError(
					"DELTA_LOG_INVALID",
					`${engine.store.url}: version ${version} exists and can't be read`,
					{ retryable: true },
				);
			return isOurs(found, txnId) ? undefined : found;
		}
		case "unknown":
			try {
				return await settle(engine, version, put, txnId, outcome.cause);
			} catch (cause) {
				throw new DeltaError(
					"DELTA_COMMIT_UNKNOWN",
					`${engine.store.url}: whether version ${version} is this commit could not be found out (${messageOf(cause)}); before it is made again, look for the txnId ${txnId} in that version`,
					{ cause },
				);
			}
	}
}

/**
 * After `unknown` the PUT may still be under way: "not there" proves nothing until a PUT of ours has
 * settled the version, so the conditional PUT is repeated until it has an answer.
 */
async function settle(
	engine: Engine,
	version: number,
	put: () => Promise<PutOutcome>,
	txnId: string,
	cause: unknown,
): Promise<readonly Action[] | undefined> {
	for (let tries = 0; tries < SETTLE_TRIES; tries++) {
		const found = await readCommit(engine, version);
		if (found !== undefined) return isOurs(found, txnId) ? undefined : found;
		await engine.sleep(engine.random() * BACKOFF_MS * 2 ** tries);
		if ((await put()).kind === "created") return undefined;
	}
	throw cause;
}

function isOurs(actions: readonly Action[], txnId: string): boolean {
	return actions.some(
		(action) => "commitInfo" in action && action.commitInfo.txnId === txnId,
	);
}
