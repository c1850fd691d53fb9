import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
	chmodSync,
	cpSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	realpathSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { CACHE } from "./cache.ts";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "..");

/** The reference under which the cluster knows the image. */
export const IMAGE = "localhost/tributary:dev";
const USER = 65532;
/** What the Dockerfile does to its packages. */
const INSTALL =
	"npm install --no-save --omit=dev --no-audit --no-fund --loglevel=error";
const STRIP = String.raw`find node_modules -type f \( -name '*.ts' -o -name '*.cts' -o -name '*.mts' -o -name '*.map' -o -name '*.md' \) -delete`;

/**
 * Assembles the image that the Dockerfile describes, without a container engine: the same Node, the
 * same compiled project and runtime packages at the same paths, the same user and entry point, on
 * this machine's C library. Needs `npm run build`. Returns the path of an OCI archive.
 */
export async function buildImage(options: {
	readonly dir: string;
}): Promise<string> {
	const rootfs = join(options.dir, "image-root");
	const archive = join(options.dir, "tributary.tar");
	rmSync(rootfs, { recursive: true, force: true });
	for (const folder of ["usr/local/bin", "etc/ssl/certs", "tmp", "app"])
		mkdirSync(join(rootfs, folder), { recursive: true });

	const node = realpathSync(join(ROOT, "node_modules/node/bin/node"));
	cpSync(node, join(rootfs, "usr/local/bin/node"));
	const { stdout } = await run("ldd", [node]);
	for (const [library] of stdout.matchAll(/\/\S+\.so\S*/g))
		place(library, rootfs);
	for (const library of [
		"libnss_files.so.2",
		"libnss_dns.so.2",
		"libresolv.so.2",
		// Native packages link them, Node itself does not.
		"librt.so.1",
		"libpthread.so.0",
		"libdl.so.2",
		"libutil.so.1",
	])
		place(`/lib/x86_64-linux-gnu/${library}`, rootfs);
	place("/etc/ssl/certs/ca-certificates.crt", rootfs);
	place("/usr/share/zoneinfo", rootfs);
	chmodSync(join(rootfs, "tmp"), 0o1777);
	writeFileSync(
		join(rootfs, "etc/passwd"),
		`root:x:0:0:root:/:/sbin/nologin\nnonroot:x:${USER}:${USER}:nonroot:/:/sbin/nologin\n`,
	);
	writeFileSync(join(rootfs, "etc/group"), `root:x:0:\nnonroot:x:${USER}:\n`);
	writeFileSync(join(rootfs, "etc/nsswitch.conf"), "hosts: files dns\n");

	const app = join(rootfs, "app");
	for (const item of ["package.json", "dist", "LICENSE"])
		cpSync(join(ROOT, item), join(app, item), { recursive: true });
	cpSync(await runtimePackages(), join(app, "node_modules"), {
		recursive: true,
	});
	await run(process.execPath, [
		join(import.meta.dirname, "kubernetes/mkimage.mjs"),
		rootfs,
		IMAGE,
		archive,
		JSON.stringify({
			Entrypoint: ["/usr/local/bin/node", "/app/dist/cli/main.js"],
			Env: ["PATH=/usr/local/bin", "NODE_ENV=production"],
			WorkingDir: "/app",
			User: `${USER}:${USER}`,
		}),
	]);
	rmSync(rootfs, { recursive: true, force: true });
	return archive;
}

function place(file: string, rootfs: string): void {
	if (!existsSync(file)) return;
	const target = join(rootfs, file);
	mkdirSync(dirname(target), { recursive: true });
	cpSync(file, target, { dereference: true, recursive: true });
}

/** `node_modules` with what runs in production only, made once per lock file. */
async function runtimePackages(): Promise<string> {
	const inputs = ["package.json", "package-lock.json"];
	const hash = createHash("sha256").update(`${INSTALL}${STRIP}`);
	for (const input of inputs) hash.update(readFileSync(join(ROOT, input)));
	const digest = hash.digest("hex").slice(0, 12);
	const final = join(CACHE, `runtime-packages-${digest}`);
	if (!existsSync(final)) {
		mkdirSync(CACHE, { recursive: true });
		const staging = mkdtempSync(join(CACHE, ".runtime-packages-"));
		try {
			for (const input of inputs)
				cpSync(join(ROOT, input), join(staging, input));
			await retry(() => run("sh", ["-c", INSTALL], { cwd: staging }));
			await run("sh", ["-c", STRIP], { cwd: staging });
			renameSync(staging, final);
		} catch (error) {
			rmSync(staging, { recursive: true, force: true });
			// Another process may have finished the same one first.
			if (!existsSync(final)) throw error;
		}
	}
	return join(final, "node_modules");
}

async function retry<Result>(work: () => Promise<Result>): Promise<Result> {
	for (let attempt = 1; ; attempt++)
		try {
			return await work();
		} catch (error) {
			if (attempt === 3) throw error;
			await new Promise((wake) => setTimeout(wake, attempt * 3000));
		}
}
