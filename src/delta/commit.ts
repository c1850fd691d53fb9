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
} from "./snapshot.ts";

const BACKOFF_MS = 20;
const MAX_BACKOFF_MS = 2000;

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
		if (await publish(engine, version, actions, txnId)) {
			const next = advance(snapshot, engine.store.url, version, actions);
			return {
				kind: "committed",
				version,
				snapshot: await maintainLog(engine, next),
				attempts: attempt,
			};
		}
		await engine.sleep(
			engine.random() *
				Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(attempt, 10)),
		);
		if (snapshot === undefined) {
			snapshot = await loadSnapshot(engine);
			winners = [];
		} else ({ snapshot, commits: winners } = await followLog(engine, snapshot));
	}
	return { kind: "conflict", attempts: maxAttempts, snapshot };
}

/** Whether this commit is version `version` now; the only place that writes to the log. */
async function publish(
	engine: Engine,
	version: number,
	actions: readonly Action[],
	txnId: string,
): Promise<boolean> {
	const body = serialiseCommit(actions);
	const put = (): Promise<PutOutcome> =>
		engine.committer?.publish(commitPath(version), body) ??
		engine.store.putIfAbsent(commitPath(version), body);
	const outcome = await put();
	switch (outcome.kind) {
		case "created":
			return true;
		case "exists":
		case "unknown": {
			// After `unknown` the PUT may still be under way: "not there" proves nothing until a PUT of
			// ours has settled the version, so the conditional PUT is repeated until it has an answer.
			for (let tries = 0; ; tries++) {
				const found = await readCommit(engine, version);
				if (found !== undefined) return isOurs(found, txnId);
				if (outcome.kind === "exists")
					throw new DeltaError(
						"DELTA_LOG_INVALID",
						`${engine.store.url}: version ${version} exists and can't be read`,
						{ retryable: true },
					);
				if (tries === 10) throw outcome.cause;
				await engine.sleep(engine.random() * BACKOFF_MS * 2 ** tries);
				const again = await put();
				if (again.kind === "created") return true;
			}
		}
	}
}

function isOurs(actions: readonly Action[], txnId: string): boolean {
	return actions.some(
		(action) => "commitInfo" in action && action.commitInfo.txnId === txnId,
	);
}
