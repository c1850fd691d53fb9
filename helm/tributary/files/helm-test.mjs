// Run by `helm test` in a pod of the release: is the operator well, and does the API have our kinds?
import { readFileSync } from "node:fs";
import { request } from "node:https";

const folder = "/var/run/secrets/kubernetes.io/serviceaccount";
const { OPERATOR, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } =
	process.env;

async function operator(path, wanted) {
	const response = await fetch(`http://${OPERATOR}${path}`, {
		signal: AbortSignal.timeout(10_000),
	});
	const text = await response.text();
	if (!response.ok || !text.includes(wanted))
		throw new Error(`${path}: ${response.status} ${text.slice(0, 500)}`);
	console.log(`operator ${path}: well`);
}

function api(path) {
	return new Promise((resolve, reject) => {
		const call = request(
			{
				host: KUBERNETES_SERVICE_HOST,
				port: KUBERNETES_SERVICE_PORT,
				path,
				ca: readFileSync(`${folder}/ca.crt`),
				headers: {
					authorization: `Bearer ${readFileSync(`${folder}/token`, "utf8")}`,
				},
				timeout: 10_000,
			},
			async (response) => {
				let text = "";
				for await (const chunk of response) text += chunk;
				if (response.statusCode === 200) resolve(JSON.parse(text));
				else
					reject(new Error(`${path}: ${response.statusCode} ${text.slice(0, 500)}`));
			},
		);
		call.on("timeout", () => call.destroy(new Error(`${path}: no answer`)));
		call.on("error", reject);
		call.end();
	});
}

await operator("/healthz", "ok");
await operator("/readyz", "ok");
await operator("/metrics", "controller_runtime_reconcile_total");
const { resources } = await api("/apis/tributary.dev/v1alpha1");
const kinds = resources.map(({ name }) => name);
for (const name of [
	"cdcpipelines",
	"cdcpipelines/status",
	"cdcpipelines/scale",
	"deltatables",
	"tableoperations",
	"fileingestions",
])
	if (!kinds.includes(name))
		throw new Error(`the API server has no ${name}, only ${kinds.join(", ")}`);
console.log(`API server: ${kinds.join(", ")}`);
