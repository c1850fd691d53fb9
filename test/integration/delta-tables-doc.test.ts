import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { JUDGES_PYTHON } from "../../stack/components.ts";
import { DeltaRs } from "../support/deltars.ts";
import { ended, type Ran } from "../support/tributary.ts";

const ROOT = resolve(import.meta.dirname, "../..");

interface Step {
	readonly command: readonly string[];
	readonly input?: string;
	/** What the page shows of it. */
	readonly output?: string;
}

/** The commands of a page, in order: lines after `$` with what follows them, and Python. */
function stepsOf(page: string): Step[] {
	return [...page.matchAll(/^```(console|python)\n(.*?)^```$/gms)].flatMap(
		([, kind, body = ""]): Step[] =>
			kind === "python"
				? [{ command: ["python3", "-"], input: body }]
				: body
						.split(/^\$ /m)
						.slice(1)
						.map((step) => {
							const [line = "", ...output] = step.split("\n");
							return {
								command: ["bash", "-c", line],
								output: output.join("\n"),
							};
						}),
	);
}

/** What differs from run to run left out; rows come in no order. */
function comparable(text: string): string[] {
	return text
		.replace(/\b(?!2026-08-31|2020-01-01)20\d\d-[\dT:.-]+Z/g, "<time>")
		.replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, "<uuid>")
		.replace(/\b\d+ bytes|^bytes +\d+$/gm, "<bytes>")
		.replace(/\b[\d.]+ [KM]iB\b/g, "<size>")
		.split("\n")
		.sort();
}

test.skipIf(!DeltaRs.installed).each([
	{ name: "delta-tables", least: 20 },
	{ name: "maintenance", least: 15 },
])(
	"the commands of the how-to on $name do what the page shows",
	async ({ name, least }) => {
		const page = await readFile(join(ROOT, `docs/how-to/${name}.md`), "utf8");
		const dir = await mkdtemp(join(tmpdir(), "tributary-how-to-"));
		try {
			await mkdir(join(dir, "bin"));
			await mkdir(join(dir, "data"));
			await symlink(join(ROOT, "bin/tributary"), join(dir, "bin/tributary"));
			const run = async ({ command, input }: Step): Promise<Ran> => {
				const [program = "", ...argv] = command;
				const child = spawn(
					program === "python3" ? JUDGES_PYTHON : program,
					argv,
					{
						cwd: join(dir, "data"),
						env: {
							...process.env,
							PATH: `${join(dir, "bin")}:${process.env.PATH}`,
						},
					},
				);
				child.stdin.end(input ?? "");
				return await ended(child);
			};
			const steps = stepsOf(page);
			expect(steps.length).toBeGreaterThanOrEqual(least);
			for (const step of steps) {
				const { status, stdout, stderr } = await run(step);
				if (step.output === undefined) expect(status, stderr).toBe(0);
				else
					expect(
						comparable(
							(stdout + stderr).replaceAll(join(dir, "data"), "/data"),
						),
						step.command.at(-1) ?? "",
					).toEqual(comparable(step.output));
			}
		} finally {
			await rm(dir, { recursive: true, force: true });
		}
	},
);
