import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { stringify } from "yaml";
import { ConfigError, messageOf } from "../../errors.ts";
import { onlyName } from "./change.ts";
import { findPipeline } from "./cluster.ts";
import { type Collected, collect } from "./evidence.ts";
import { createRedactor, type Redactor } from "./redact.ts";
import type { Session } from "./session.ts";
import { chainText } from "./status.ts";
import { type TarFile, tar } from "./tar.ts";

/** `report NAME`: all that helps to find a fault, without a secret, as one archive or a folder. */
export async function makeReport(
	session: Session,
	args: readonly string[],
): Promise<void> {
	const { out, flags, now } = session;
	const object = await findPipeline(session, onlyName(args, "report"));
	const { name, namespace = session.namespace } = object.metadata;
	const collected = await collect(session, object);
	const redactor = createRedactor(collected.secrets);
	const stamp = new Date(now()).toISOString().replace(/[-:]|\.\d+/g, "");
	const root = `tributary-report-${namespace}-${name}-${stamp}`;
	const files = reportFiles(collected, redactor, now());
	const to = flags.to ?? `${root}.tar.gz`;
	try {
		if (to.endsWith(".tar.gz") || to.endsWith(".tgz"))
			await writeFile(
				to,
				gzipSync(
					tar(
						files.map(({ path, content }) => ({
							path: `${root.slice(0, 60)}/${path}`,
							content,
						})),
						Math.floor(now() / 1000),
					),
				),
				{ flag: "wx", mode: 0o600 },
			);
		else {
			await mkdir(to);
			for (const { path, content } of files) {
				await mkdir(dirname(join(to, path)), { recursive: true });
				await writeFile(join(to, path), content, { mode: 0o600 });
			}
		}
	} catch (cause) {
		throw new ConfigError(
			`the report can't be written to ${to}: ${messageOf(cause)}; choose another place with --to`,
			{ cause },
		);
	}
	const missing = collected.missing.length;
	out.write(
		flags.output === "json"
			? `${JSON.stringify({ to, files: files.map(({ path }) => path), missing: collected.missing }, undefined, 2)}\n`
			: `${to}: ${files.length} files${missing === 0 ? "" : `; ${missing} things could not be had, see missing.txt in it`}\nSecrets are masked${collected.secretsKnown ? "" : " by their look only: you may not read them, so read it before you send it"}.\n`,
	);
}

/** Everything goes through the redactor here, and nowhere else. Pure. */
export function reportFiles(
	collected: Collected,
	redactor: Redactor,
	nowMs: number,
): TarFile[] {
	const text = (path: string, content: string): TarFile => ({
		path,
		content: redactor.text(content),
	});
	const yaml = (path: string, value: unknown): TarFile =>
		text(
			path,
			stringify(redactor.object(withoutNoise(value)), { lineWidth: 0 }),
		);
	return [
		text("status.txt", chainText(collected.chain, nowMs)),
		yaml("versions.yaml", collected.versions),
		...Object.entries(collected.objects).map(([path, value]) =>
			yaml(`${path}.yaml`, value),
		),
		...Object.entries(collected.logs).map(([path, lines]) =>
			text(`logs/${path}.log`, lines),
		),
		...(collected.missing.length === 0
			? []
			: [text("missing.txt", `${collected.missing.join("\n")}\n`)]),
	];
}

/** Without who owns which field, and without whole objects that annotations repeat. */
function withoutNoise(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(withoutNoise);
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(
		Object.entries(value)
			.filter(
				([name]) =>
					name !== "managedFields" &&
					name !== "kubectl.kubernetes.io/last-applied-configuration",
			)
			.map(([name, item]) => [name, withoutNoise(item)]),
	);
}
