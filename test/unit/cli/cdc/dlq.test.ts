import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pipelineYaml } from "../../operator/pipeline.ts";
import { type Cdc, startCdc } from "./command.ts";

let cdc: Cdc;

/** A kubectl that notes what it was called with, and answers as it is told. */
async function kubectl(script: string): Promise<void> {
	const bin = join(cdc.dir, "bin");
	await mkdir(bin, { recursive: true });
	await writeFile(
		join(bin, "kubectl"),
		`#!/bin/sh\nfor each; do printf '%s\\n' "$each"; done > "${cdc.dir}/called"\n${script}\n`,
	);
	await chmod(join(bin, "kubectl"), 0o755);
	vi.stubEnv("PATH", `${bin}:/usr/bin:/bin`);
}

function pod(name: string, ready: boolean): void {
	cdc.server.put(`/api/v1/namespaces/data/pods/${name}`, {
		metadata: {
			labels: {
				"tributary.dev/pipeline": "shop",
				"app.kubernetes.io/component": "writer",
			},
		},
		status: {
			phase: "Running",
			conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
		},
	});
}

beforeEach(async () => {
	cdc = await startCdc();
	cdc.server.put(
		"/apis/tributary.dev/v1alpha1/namespaces/data/cdcpipelines/shop",
		pipelineYaml(),
	);
});
afterEach(async () => {
	vi.unstubAllEnvs();
	await cdc.stop();
});

test("dead letters are asked for in a pod that is ready, and no shell sees what a user wrote", async () => {
	await kubectl("echo orders/0/7; exit 4");
	pod("shop-writer-0", false);
	pod("shop-writer-1", true);
	const { text, status } = await cdc.run(
		"dlq",
		"shop",
		"replay",
		"--context",
		"work",
		"-o",
		"json",
		"--",
		"--table",
		"$(touch x); orders",
	);
	expect({ text, status }).toEqual({ text: "orders/0/7\n", status: 4 });
	const called = (await readFile(join(cdc.dir, "called"), "utf8")).split("\n");
	expect(called.filter((arg) => !arg.startsWith("--kubeconfig="))).toEqual([
		"--context=work",
		"exec",
		"--namespace",
		"data",
		"shop-writer-1",
		"--container",
		"writer",
		"--",
		"/usr/local/bin/node",
		"/app/dist/cli/main.js",
		"dlq",
		"replay",
		"-f",
		"/etc/tributary/writer.yaml",
		"--table",
		"$(touch x); orders",
		"--json",
		"",
	]);
});

test("flags without an action are those of list", async () => {
	await kubectl("echo one");
	pod("shop-writer-0", true);
	expect((await cdc.run("dlq", "shop", "--", "--per", "code")).text).toBe(
		"one\n",
	);
	expect(await readFile(join(cdc.dir, "called"), "utf8")).toMatch(
		/dlq\nlist\n-f\n\S+\n--per\ncode\n$/,
	);
});

test("no ready writer, no kubectl and an unknown action are told", async () => {
	await kubectl("exit 0");
	pod("shop-writer-0", false);
	expect(await cdc.failure("dlq", "shop")).toMatch(
		/^PIPELINE_NOT_DONE: shop has no writer that is ready/,
	);
	expect(await cdc.failure("dlq", "shop", "purgee")).toBe(
		"CONFIG_INVALID: dlq purgee is unknown; did you mean purge?",
	);
	expect(await cdc.failure("dlq")).toMatch(
		/^CONFIG_INVALID: dlq needs the NAME/,
	);
	pod("shop-writer-0", true);
	vi.stubEnv("PATH", "/nowhere");
	expect(await cdc.failure("dlq", "shop")).toMatch(
		/^CONFIG_INVALID: kubectl can't be run: .*ENOENT.*PATH$/,
	);
});
