import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const PAGE = join(
	resolve(import.meta.dirname, "../.."),
	"docs/operations/permissions.md",
);

/** What one rule lets its subject do: `verb resource`, the resource with its group unless it is the core's. */
export type Grant = string;

export interface DocumentedGrants {
	/** In each namespace that is watched. */
	readonly watched: ReadonlyMap<Grant, { readonly reason: string }>;
	/** In the operator's own namespace. */
	readonly own: ReadonlyMap<Grant, { readonly reason: string }>;
	/** All that an operator at work must be seen to ask for. */
	readonly requested: ReadonlySet<Grant>;
}

/** The tables of `docs/operations/permissions.md`, the one list of what the operator may do, and why. */
export function documentedGrants(): DocumentedGrants {
	const [, watched = "", own = ""] = readFileSync(PAGE, "utf8").split(/^## /m);
	const tables = { watched: grantsOf(watched), own: grantsOf(own) };
	const all = [...tables.watched, ...tables.own];
	return {
		...tables,
		requested: new Set(
			all
				.filter(([, { reason }]) => !reason.startsWith("not requested"))
				.map(([grant]) => grant),
		),
	};
}

function grantsOf(section: string): Map<Grant, { reason: string }> {
	const grants = new Map<Grant, { reason: string }>();
	for (const [, resource, verbs = "", reason = ""] of section.matchAll(
		/^\| `([^`]+)` \| ([^|]+) \| ([^|]*) \|$/gm,
	))
		for (const verb of verbs.split(",").map((text) => text.trim())) {
			const grant = `${verb} ${resource}`;
			if (grants.has(grant))
				throw new Error(`${PAGE}: ${grant} stands there twice`);
			if (reason.trim() === "")
				throw new Error(`${PAGE}: ${grant} has no reason`);
			grants.set(grant, { reason: reason.trim() });
		}
	return grants;
}

interface Rule {
	readonly apiGroups: readonly string[];
	readonly resources: readonly string[];
	readonly verbs: readonly string[];
}

/** Every grant of a Role's or ClusterRole's rules. @throws for a wildcard */
export function grantsOfRules(rules: readonly Rule[]): Grant[] {
	const grants = rules.flatMap(({ apiGroups, resources, verbs }) =>
		apiGroups.flatMap((group) =>
			resources.flatMap((resource) =>
				verbs.map((verb) => grantOf(verb, group, resource)),
			),
		),
	);
	const wild = grants.filter((grant) => grant.includes("*"));
	if (wild.length > 0)
		throw new Error(`a role grants by wildcard: ${wild.join(", ")}`);
	return grants;
}

/** @param resource with its subresource, if any, after a slash */
export function grantOf(verb: string, group: string, resource: string): Grant {
	return `${verb} ${group === "" ? "" : `${group}/`}${resource}`;
}

/** An event of the API server's audit log, as far as it is looked at. */
export interface AuditEvent {
	readonly verb: string;
	readonly requestURI: string;
	readonly user: { readonly username: string };
	readonly objectRef?: {
		readonly resource: string;
		readonly subresource?: string;
		readonly apiGroup?: string;
		readonly namespace?: string;
		readonly name?: string;
	};
	readonly responseStatus?: {
		readonly code?: number;
		readonly message?: string;
	};
	readonly requestReceivedTimestamp?: string;
}

/** The events of an audit log file, of which the last may be half written. */
export function auditEvents(file: string): AuditEvent[] {
	return readFileSync(file, "utf8")
		.split("\n")
		.slice(0, -1)
		.map((line) => JSON.parse(line) as AuditEvent);
}

/**
 * For up to half a minute after a kind was defined, API servers forbid objects that it owns, whoever makes
 * them: they look up the owner's resource among those that they knew when they last looked.
 */
const UNKNOWN_OWNER =
	/cannot set blockOwnerDeletion .* cannot find RESTMapping for APIVersion tributary\.dev/;

/** What a user asked for, and what of it was denied for want of a right. */
export function requestedGrants(
	events: readonly AuditEvent[],
	username: string,
): { readonly used: ReadonlySet<Grant>; readonly denied: readonly string[] } {
	const used = new Set<Grant>();
	const denied = new Set<string>();
	for (const { verb, objectRef: at, ...event } of events) {
		if (event.user.username !== username || at === undefined) continue;
		const { code, message = "" } = event.responseStatus ?? {};
		if (code === 403 && !UNKNOWN_OWNER.test(message))
			denied.add(`${verb} ${event.requestURI}: ${message}`);
		const resource = [at.resource, at.subresource].filter(Boolean).join("/");
		used.add(grantOf(verb, at.apiGroup ?? "", resource));
		// Applying what was not there needs the right to make it.
		if (verb === "patch" && code === 201)
			used.add(grantOf("create", at.apiGroup ?? "", resource));
	}
	return { used, denied: [...denied] };
}
