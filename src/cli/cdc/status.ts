import { ageText } from "../../operator/cdc-pipeline/status.ts";
import type { PipelineObject } from "../../operator/types.ts";
import { tableText } from "../table/text-table.ts";
import { type Chain, chainOf } from "./chain.ts";
import {
	findPipeline,
	listPipelines,
	pipelineEvents,
	writerPods,
} from "./cluster.ts";
import { CdcError } from "./errors.ts";
import type { Session } from "./session.ts";
import { age, ago, bytesText, plain, wrapped } from "./text.ts";

/** Exit status of `status` where a pipeline is not as it is meant to be. */
export const NOT_OK = 3;

/** `status [NAME]`: the whole way of one pipeline, or a line for each. */
export async function showStatus(
	session: Session,
	[name]: readonly string[],
): Promise<number> {
	const { out, flags } = session;
	if (name !== undefined) {
		const chain = await lookAt(session, await findPipeline(session, name));
		out.write(
			flags.output === "json"
				? `${JSON.stringify(chain, undefined, 2)}\n`
				: chainText(chain, session.now()),
		);
		return chain.ok ? 0 : NOT_OK;
	}
	const chains = (await listPipelines(session)).map((object) =>
		chainOf({ object, pods: undefined, events: undefined, notes: [] }),
	);
	if (flags.output === "json")
		out.write(`${JSON.stringify(chains, undefined, 2)}\n`);
	else if (chains.length === 0)
		out.write(
			flags["all-namespaces"] === true
				? "There are no pipelines.\n"
				: `There are no pipelines in namespace ${session.namespace}; -A shows those of all.\n`,
		);
	else out.write(listText(chains, session.now()));
	return chains.every(({ ok }) => ok) ? 0 : NOT_OK;
}

/** Pods and events are looked at where that is allowed; the rest is told without them. */
export async function lookAt(
	session: Session,
	object: PipelineObject,
): Promise<Chain> {
	const allowed = async <T>(
		asked: Promise<T>,
	): Promise<{ readonly seen?: T; readonly note?: string }> => {
		try {
			return { seen: await asked };
		} catch (error) {
			if (!(error instanceof CdcError)) throw error;
			return { note: error.message };
		}
	};
	const [pods, events] = await Promise.all([
		allowed(writerPods(session, object)),
		allowed(pipelineEvents(session, object)),
	]);
	return chainOf({
		object,
		pods: pods.seen,
		events: events.seen,
		notes: [pods, events].flatMap(({ note }) => note ?? []),
	});
}

function listText(chains: readonly Chain[], nowMs: number): string {
	const text = tableText(
		[
			"NAMESPACE",
			"NAME",
			"PHASE",
			"OK",
			"LAG",
			"FRESHNESS",
			"WRITERS",
			"TABLES",
			"AGE",
		],
		chains.map((chain) => [
			chain.namespace,
			chain.name,
			chain.phase,
			chain.ok ? "yes" : "no",
			String(chain.lag ?? "-"),
			seconds(chain.freshnessSeconds),
			`${chain.writers.ready}/${chain.writers.wanted}`,
			String(chain.tables.length),
			age(chain.created, nowMs),
		]),
	);
	const worst = chains.filter(({ ok }) => !ok);
	return (
		text +
		worst
			.flatMap(({ name, namespace, next: [first] }) =>
				first === undefined
					? []
					: [`\n${namespace}/${name}: ${wrapped(first, 2)}\n`],
			)
			.join("")
	);
}

/** For people. Pure. */
export function chainText(chain: Chain, nowMs: number): string {
	const lines: string[] = [];
	const line = (label: string, text: string): void => {
		lines.push(`${label.padEnd(11)}${wrapped(text, 11)}`);
	};
	line(
		"Pipeline",
		`${chain.namespace}/${chain.name}  ${chain.phase}${chain.state === chain.phase.toLowerCase() ? "" : ` (wanted: ${chain.state})`}, made ${ago(chain.created, nowMs)}`,
	);
	line(
		"Source",
		`${chain.source.type}: ${chain.source.include.join(", ")} (Secret ${chain.source.secret})`,
	);
	const { connector } = chain;
	line(
		"Connector",
		connector === undefined
			? `none yet at ${chain.connectUrl}`
			: `${connector.name} ${connector.state} at ${chain.connectUrl}`,
	);
	for (const task of connector?.tasks ?? [])
		line(
			"",
			`task ${task.id} ${task.state}${task.message === undefined ? "" : `: ${task.message}`}`,
		);
	line(
		"Kafka",
		`topics ${chain.topicPrefix}.*: ${chain.lag === undefined ? "lag unknown" : `${chain.lag} records behind`}, newest change ${chain.freshnessSeconds === undefined ? "unknown" : `${seconds(chain.freshnessSeconds)} old`}${chain.rowsPerSecond === undefined ? "" : `, ${chain.rowsPerSecond} rows/s`}`,
	);
	line(
		"Writers",
		`${chain.writers.ready} of ${chain.writers.wanted} ready, ${chain.writeMode} to ${chain.location}`,
	);
	for (const pod of chain.writers.pods ?? [])
		line(
			"",
			`${pod.name} ${pod.phase}${pod.ready ? ", ready" : ", not ready"}, ${pod.restarts} restarts, ${age(pod.started, nowMs)} old${pod.lastEnd === undefined ? "" : `; ended before: ${pod.lastEnd}`}`,
		);
	line(
		"Tables",
		chain.tables.length === 0 ? "none yet" : `${chain.tables.length}`,
	);
	if (chain.tables.length > 0)
		lines.push(indented(tablesText(chain.tables, nowMs)));
	const { restart, resnapshot } = chain.actions ?? {};
	if (restart !== undefined)
		line("Actions", `restart ${restart.nonce}: ${ago(restart.at, nowMs)}`);
	if (resnapshot !== undefined)
		line(
			restart === undefined ? "Actions" : "",
			`resnapshot ${resnapshot.nonce} (${resnapshot.mode ?? ""}${resnapshot.tables === undefined ? "" : ` of ${resnapshot.tables.join(", ")}`}): ${resnapshot.state}${resnapshot.rows === undefined ? "" : `, ${resnapshot.rows} rows`}${resnapshot.finishedAt === undefined ? "" : `, ${ago(resnapshot.finishedAt, nowMs)}`}${resnapshot.message === undefined ? "" : `: ${resnapshot.message}`}`,
		);
	for (const [index, event] of (chain.events ?? []).entries())
		line(
			index === 0 ? "Events" : "",
			`${ago(event.time, nowMs)} ${event.type} ${event.reason}: ${event.message}`,
		);
	for (const [index, note] of chain.notes.entries())
		line(index === 0 ? "Not seen" : "", note);
	line("Next", chain.next[0] ?? "nothing to do");
	for (const step of chain.next.slice(1)) line("", step);
	return `${lines.join("\n")}\n`;
}

/** Version, size and freshness of tables. Pure. */
export function tablesText(tables: Chain["tables"], nowMs: number): string {
	return tableText(
		[
			"TABLE",
			"VERSION",
			"ROWS",
			"FILES",
			"SIZE",
			"LAST COMMIT",
			"NEWEST CHANGE",
		],
		tables.map((table) => [
			plain(table.name),
			String(table.version ?? "-"),
			String(table.tableRows ?? "-"),
			String(table.files ?? "-"),
			table.bytes === undefined ? "-" : bytesText(table.bytes),
			ago(table.lastCommit, nowMs) || "-",
			ago(table.newestChange, nowMs) || "-",
		]),
	);
}

function indented(text: string): string {
	return text
		.trimEnd()
		.split("\n")
		.map((line) => `  ${line}`)
		.join("\n");
}

function seconds(value: number | undefined): string {
	return value === undefined ? "-" : ageText(value);
}
