import { expect, test } from "vitest";
import { operatorSettings } from "../../../src/operator/environment.ts";

const settings = (
	argv: readonly string[],
	env: Readonly<Record<string, string>> = {},
) => operatorSettings(argv, env, { hostname: "box" });

test("flags win over the environment, and the environment over defaults", () => {
	const env = {
		TRIBUTARY_IMAGE: "a:1",
		WATCH_NAMESPACE: "x, y,",
		TRIBUTARY_IMAGE_PULL_SECRETS: "registry,",
		METRICS_PORT: "9000",
		POD_NAMESPACE: "sys",
		POD_NAME: "op-0",
	};
	expect(settings([], env)).toMatchObject({
		writers: {
			image: "a:1",
			pullPolicy: "IfNotPresent",
			pullSecrets: ["registry"],
			logLevel: "info",
		},
		namespaces: ["x", "y"],
		ownNamespace: "sys",
		leaderElection: true,
		port: 9000,
		workers: 8,
	});
	expect(settings([], env).identity).toMatch(/^op-0_/);
	expect(
		settings(
			[
				"--image",
				"b:2",
				"--watch-namespace",
				"z",
				"--metrics-port",
				"1",
				"--no-leader-election",
			],
			env,
		),
	).toMatchObject({
		writers: { image: "b:2" },
		namespaces: ["z"],
		port: 1,
		leaderElection: false,
	});
});

test("two processes of one host never have one identity", () => {
	const env = { TRIBUTARY_IMAGE: "a:1" };
	expect(settings([], env).identity).not.toBe(settings([], env).identity);
});

test.each<[string, readonly string[], Record<string, string>, string]>([
	["no image", [], {}, "set TRIBUTARY_IMAGE or --image"],
	["an unknown flag", ["--imag", "x"], {}, "--imag"],
	["a port that is none", ["--image", "x"], { METRICS_PORT: "http" }, '"http"'],
	["a port too high", ["--image", "x", "--metrics-port", "70000"], {}, "70000"],
	[
		"an unknown pull policy",
		["--image", "x", "--image-pull-policy", "Sometimes"],
		{},
		"Sometimes",
	],
])("%s is refused with the value in the message", (_, argv, env, message) => {
	expect(() => settings(argv, env)).toThrow(message);
});
