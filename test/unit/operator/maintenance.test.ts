import { expect, test } from "vitest";
import { cronJob } from "../../../src/operator/cdc-pipeline/cron-job.ts";
import { maintenanceStatus } from "../../../src/operator/cdc-pipeline/maintenance.ts";
import { ownerOf } from "../../../src/operator/cdc-pipeline/manifests.ts";
import { maintenanceName } from "../../../src/operator/names.ts";
import type { Pod, Terminated } from "../../../src/operator/types.ts";
import { pipeline } from "./pipeline.ts";

function pod(name: string, terminated?: Terminated): Pod {
	return {
		apiVersion: "v1",
		kind: "Pod",
		metadata: { name, namespace: "data" },
		status: {
			containerStatuses: [
				{ name: "maintain", state: terminated ? { terminated } : {} },
			],
		},
	};
}

const figures = {
	...{ tables: 2, filesRemoved: 9, filesAdded: 1 },
	...{ bytesRemoved: 90, bytesAdded: 80, interrupted: false },
};
const good = pod("good", {
	exitCode: 0,
	startedAt: "2026-01-01T03:00:00Z",
	finishedAt: "2026-01-01T03:01:00Z",
	message: JSON.stringify({ ...figures, failures: 0, failed: [] }),
});
const bad = pod("bad", {
	exitCode: 1,
	finishedAt: "2026-01-02T03:01:00Z",
	message: JSON.stringify({
		...figures,
		failures: 1,
		failed: [{ table: "orders", message: "at s3://user:hunter2@lake: broken" }],
	}),
});

test("a run that is forgotten with its pods, or an older one that is told in its place", () => {
	const first = maintenanceStatus({ optimize: [good], vacuum: [] }, undefined);
	expect(first.maintenance).toMatchObject({
		optimize: { result: "Succeeded", lastSuccess: "2026-01-01T03:01:00Z" },
	});
	const second = maintenanceStatus(
		{ optimize: [bad, good, pod("running")], vacuum: [] },
		first,
	);
	expect(second.maintenance?.optimize).toMatchObject({
		result: "Failed",
		pod: "bad",
		failures: 1,
		message: "orders: at s3://user:***@lake: broken",
		finished: "2026-01-02T03:01:00Z",
		lastSuccess: "2026-01-01T03:01:00Z",
	});
	expect(maintenanceStatus({ optimize: [good], vacuum: [] }, second)).toEqual(
		second,
	);
	expect(maintenanceStatus({ optimize: [], vacuum: [] }, second)).toEqual(
		second,
	);
	expect(maintenanceStatus({ optimize: [], vacuum: [] }, undefined)).toEqual(
		{},
	);
});

test.each([
	[{ reason: "OOMKilled", exitCode: 137 }, "OOMKilled"],
	[
		{ exitCode: 2, message: "tributary: CONFIG_INVALID: no" },
		"tributary: CONFIG_INVALID: no",
	],
	[
		{ exitCode: 1, message: '{"operation":"vacuum","error":"no bucket"}' },
		"no bucket",
	],
	[
		{ exitCode: 1 },
		"the container left no message; kubectl logs may tell more",
	],
])(
	"a run that ended without a report and without a reason: %j",
	(ended, message) => {
		expect(
			maintenanceStatus(
				{
					optimize: [],
					vacuum: [pod("v", { ...ended, finishedAt: "2026-01-01T00:00:00Z" })],
				},
				undefined,
			).maintenance?.vacuum,
		).toMatchObject({ result: "Failed", message });
	},
);

test("names that Kubernetes refuses, or that two pipelines share", () => {
	const long = "a".repeat(45);
	for (const operation of ["optimize", "vacuum"] as const) {
		expect(maintenanceName("shop", operation)).toBe(`shop-${operation}`);
		expect(maintenanceName(long, operation).length).toBeLessThanOrEqual(52);
	}
	expect(maintenanceName(`${long.slice(1)}b`, "optimize")).not.toBe(
		maintenanceName(long, "optimize"),
	);
});

test("runs that start while their pipeline is stopped, or get secrets that they don't need", () => {
	const secured = {
		kafka: { tls: true, saslSecretRef: { name: "kafka-user" } },
	};
	const image = {
		image: "i",
		pullPolicy: "Never",
		pullSecrets: [],
		logLevel: "info",
	} as const;
	const jobOf = (state?: string) => {
		const made = pipeline({ ...secured, ...(state && { state }) });
		return cronJob(made, ownerOf(made, "u"), image, "vacuum");
	};
	expect(jobOf().spec).toMatchObject({ suspend: false });
	expect(jobOf("paused").spec).toMatchObject({ suspend: false });
	expect(jobOf("stopped").spec).toMatchObject({ suspend: true });
	const text = JSON.stringify(jobOf());
	expect(text).toContain("TRIBUTARY_SECRET_LAKE_AWS_ACCESS_KEY_ID");
	expect(text).not.toContain("kafka-user");
	expect(text).not.toContain("shop-mongo");
});
