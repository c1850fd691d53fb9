import { expect, test } from "vitest";
import type { ConnectClient } from "../../../src/connect/client.ts";
import { removeConnector } from "../../../src/connect/remove.ts";
import { pipeline } from "../operator/pipeline.ts";

/** A Kafka Connect that takes some looks to stop a connector. */
function connect(looks: number) {
	const calls: string[] = [];
	let left = looks;
	const call = (what: string) => async (name: string) => {
		calls.push(`${what} ${name}`);
	};
	const client = {
		stop: call("stop"),
		deleteOffsets: call("deleteOffsets"),
		delete: call("delete"),
		status: async (name: string) => ({
			name,
			connector: { state: left-- > 0 ? "RUNNING" : "STOPPED" },
			tasks: [],
		}),
	} as Partial<ConnectClient> as ConnectClient;
	return { client, calls };
}

test("a pipeline that retains what it has in its source loses its connector, and nothing else", async () => {
	const { client, calls } = connect(0);
	await removeConnector(client, pipeline(), "mongodb://m");
	expect(calls).toEqual(["delete data.shop"]);
});

test("a position is forgotten only once the connector has stopped, and before it is gone", async () => {
	const { client, calls } = connect(2);
	const deleted = pipeline({ source: { reclaimPolicy: "Delete" } });
	await removeConnector(client, deleted, undefined);
	expect(calls).toEqual([
		"stop data.shop",
		"deleteOffsets data.shop",
		"delete data.shop",
	]);
});

test("a slot that can't be dropped for want of a Secret keeps its connector, and names the Secret", async () => {
	const { client, calls } = connect(0);
	const deleted = pipeline({
		source: { type: "postgresql", reclaimPolicy: "Delete" },
	});
	await expect(removeConnector(client, deleted, undefined)).rejects.toThrow(
		/Secret shop-mongo with the key uri is not in namespace data any more/,
	);
	expect(calls).toEqual(["stop data.shop"]);
});
