import { expect, test } from "vitest";
import type { ApiClient } from "../../../src/kube/client.ts";
import { fenceWrites } from "../../../src/kube/fence.ts";

test("what no longer leads reads on, and writes no more", async () => {
	let leads = true;
	const sent: string[] = [];
	const client: ApiClient = {
		async request<T>({ method = "GET" }) {
			sent.push(method);
			return undefined as T;
		},
		async *lines() {
			yield "line";
		},
	};
	const fenced = fenceWrites(client, () => leads);
	await fenced.request({ method: "PATCH", path: "/x" });
	leads = false;
	for (const method of ["POST", "PUT", "PATCH", "DELETE"] as const)
		await expect(fenced.request({ method, path: "/x" })).rejects.toMatchObject({
			code: "KUBE_API",
			reason: "NotLeading",
			retryable: true,
		});
	await fenced.request({ path: "/x" });
	expect(sent).toEqual(["PATCH", "GET"]);
	expect((await fenced.lines({ path: "/x" }).next()).value).toBe("line");
});
