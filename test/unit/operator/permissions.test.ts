import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import {
	documentedGrants,
	grantsOfRules,
	requestedGrants,
} from "../../support/permissions.ts";

const INSTALL = resolve(import.meta.dirname, "../../../manifests/install.yaml");

interface Role {
	readonly kind: string;
	readonly rules: Parameters<typeof grantsOfRules>[0];
}

test("the installation for all namespaces grants what the page of permissions has, and nothing in excess", () => {
	const roles = parseAllDocuments(readFileSync(INSTALL, "utf8"))
		.map((document) => document.toJS() as Role)
		.filter(({ kind }) => kind === "ClusterRole" || kind === "Role");
	expect(roles.map(({ kind }) => kind)).toEqual(["ClusterRole", "Role"]);
	const { watched, own } = documentedGrants();
	const [cluster, leader] = roles.map(({ rules }) =>
		grantsOfRules(rules).sort(),
	);
	expect(cluster).toEqual([...watched.keys()].sort());
	expect(leader).toEqual([...own.keys()].sort());
});

test("secrets can be read by name alone, and nothing lets the operator act as another", () => {
	const { watched, own } = documentedGrants();
	const all = [...watched.keys(), ...own.keys()];
	expect(all.filter((grant) => grant.endsWith(" secrets"))).toEqual([
		"get secrets",
	]);
	expect(
		all.filter((grant) =>
			/impersonate|escalate|bind|token|pods\/(?:exec|attach|portforward)|rbac|nodes|webhook/.test(
				grant,
			),
		),
	).toEqual([]);
});

test("a wildcard in a role is refused, for nobody could tell what it grants", () => {
	expect(() =>
		grantsOfRules([{ apiGroups: [""], resources: ["*"], verbs: ["get"] }]),
	).toThrow(/wildcard: get \*/);
});

test("an audit log shows what was used, also the creation behind a patch, and what was denied", () => {
	const user = { username: "system:serviceaccount:system:tributary" };
	const objectRef = { resource: "statefulsets", apiGroup: "apps" };
	const event = { user, requestURI: "/apis/apps/v1/…" };
	expect(
		requestedGrants(
			[
				{ ...event, verb: "patch", objectRef, responseStatus: { code: 201 } },
				{
					...event,
					verb: "patch",
					objectRef: { ...objectRef, subresource: "status" },
					responseStatus: { code: 200 },
				},
				{
					...event,
					verb: "delete",
					objectRef: { resource: "pods" },
					responseStatus: { code: 403, message: "no right" },
				},
				// No question of rights: the API server looks kinds up every half a minute.
				{
					...event,
					verb: "patch",
					objectRef,
					responseStatus: {
						code: 403,
						message:
							'statefulsets.apps "shop-writer" is forbidden: cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion tributary.dev/v1alpha1 Kind CdcPipeline: no matches for kind "CdcPipeline" in version "tributary.dev/v1alpha1"',
					},
				},
				{ ...event, verb: "list", objectRef, user: { username: "other" } },
			],
			user.username,
		),
	).toEqual({
		used: new Set([
			"patch apps/statefulsets",
			"create apps/statefulsets",
			"patch apps/statefulsets/status",
			"delete pods",
		]),
		denied: ["delete /apis/apps/v1/…: no right"],
	});
});
