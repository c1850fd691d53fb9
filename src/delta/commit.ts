import type { Action } from "./actions.ts";
import { writeCheckpoint } from "./checkpoint.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { checkWritable } from "./features.ts";
import { commitPath, serialiseCommit } from "./log.ts";
import type { CommitOutcome, CommitRequest } from "./outcome.ts";
import {
	advance,
	fileKey,
	loadSnapshot,
	readCommit,
	refreshSnapshot,
	type Snapshot,
} from "./snapshot.ts";

const ENGINE_INFO = "Tributary/0.1.0";
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
	for (let attempt = 1; attempt <= maxAttempts; attempt++) {
		const plan = request.plan(snapshot);
		if (plan.kind === "abandon")
			return { kind: "abandoned", reason: plan.reason, snapshot };

		const version = (snapshot?.version ?? -1) + 1;
		const txnId = engine.uuid();
		const actions: Action[] = [
			{
				commitInfo: {
					timestamp: engine.now(),
					...(snapshot === undefined ? {} : { readVersion: snapshot.version }),
					engineInfo: ENGINE_INFO,
					...plan.info,
					txnId,
				},
			},
			...plan.actions,
		];
		validate(actions, snapshot, engine.store.url);
		if (await publish(engine, version, actions, txnId)) {
			const next = advance(snapshot, engine.store.url, version, actions);
			await checkpointIfDue(engine, next);
			return {
				kind: "committed",
				version,
				snapshot: next,
				attempts: attempt,
			};
		}
		await engine.sleep(
			engine.random() *
				Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(attempt, 10)),
		);
		snapshot =
			snapshot === undefined
				? await loadSnapshot(engine)
				: await refreshSnapshot(engine, snapshot);
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
	const outcome = await engine.store.putIfAbsent(commitPath(version), body);
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
				const again = await engine.store.putIfAbsent(commitPath(version), body);
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

/** @throws DeltaError DELTA_LOG_INVALID naming the rule that the actions would break */
function validate(
	actions: readonly Action[],
	snapshot: Snapshot | undefined,
	url: string,
): void {
	const seen = new Set<string>();
	const once = (key: string): void => {
		if (seen.has(key))
			throw new DeltaError(
				"DELTA_LOG_INVALID",
				`a commit to ${url} would hold two actions for ${key}`,
			);
		seen.add(key);
	};
	let protocol = snapshot?.protocol;
	let metadata = snapshot?.metadata;
	for (const action of actions) {
		if ("metaData" in action) {
			once("metaData");
			metadata = action.metaData;
		} else if ("protocol" in action) {
			once("protocol");
			protocol = action.protocol;
		} else if ("txn" in action) once(`txn ${action.txn.appId}`);
		else if ("domainMetadata" in action)
			once(`domainMetadata ${action.domainMetadata.domain}`);
		else if ("add" in action) once(`add ${action.add.path}`);
		else if ("remove" in action) {
			once(`remove ${action.remove.path}`);
			// What is not there any more was removed by someone else: the plan is stale.
			if (snapshot !== undefined && !snapshot.files.has(fileKey(action.remove)))
				throw new DeltaError(
					"DELTA_LOG_INVALID",
					`a commit to ${url} would remove ${action.remove.path}, which is not in version ${snapshot.version}`,
				);
		}
	}
	if (protocol === undefined || metadata === undefined)
		throw new DeltaError(
			"DELTA_LOG_INVALID",
			`the first commit to ${url} needs a protocol and a metaData action`,
		);
	checkWritable(protocol, metadata, url);
}

/** A commit has succeeded once it is published; a checkpoint that fails is made by a later one. */
async function checkpointIfDue(
	engine: Engine,
	snapshot: Snapshot,
): Promise<void> {
	const interval = Number(
		snapshot.metadata.configuration["delta.checkpointInterval"] ?? 10,
	);
	if (snapshot.version === 0 || snapshot.version % interval !== 0) return;
	try {
		await writeCheckpoint(engine, snapshot);
	} catch (error) {
		engine.onCheckpointFailure?.(error);
	}
}
