#!/usr/bin/env node
import { execFileSync } from "node:child_process";
// mkimage.mjs ROOTFS_DIR IMAGE_REF OUT.tar [json config] - a one-layer OCI image archive from a folder, no registry.
// e.g. mkimage.mjs rootfs localhost/node:20 node.tar '{"Cmd":["/usr/bin/node"],"Env":["PATH=/usr/bin:/bin"]}'
import { createHash } from "node:crypto";
import {
	createReadStream,
	mkdirSync,
	mkdtempSync,
	renameSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [rootfs, ref, out, cfg = "{}"] = process.argv.slice(2);
const tmp = mkdtempSync(join(tmpdir(), "mkimage-"));
const blobs = join(tmp, "blobs/sha256");
mkdirSync(blobs, { recursive: true });
const sha = (f) =>
	new Promise((ok, no) => {
		const h = createHash("sha256");
		createReadStream(f)
			.on("data", (d) => h.update(d))
			.on("end", () => ok(h.digest("hex")))
			.on("error", no);
	});
const layer = join(tmp, "layer.tar");
execFileSync("tar", [
	"--sort=name",
	"--mtime=@0",
	"--owner=0",
	"--group=0",
	"--numeric-owner",
	"-C",
	rootfs,
	"-cf",
	layer,
	".",
]);
const ld = await sha(layer),
	lsize = statSync(layer).size;
renameSync(layer, join(blobs, ld));
const put = (o) => {
	const b = Buffer.from(JSON.stringify(o));
	const d = createHash("sha256").update(b).digest("hex");
	writeFileSync(join(blobs, d), b);
	return { digest: `sha256:${d}`, size: b.length };
};
const arch = { x64: "amd64", arm64: "arm64" }[process.arch];
const config = put({
	architecture: arch,
	os: "linux",
	created: "1970-01-01T00:00:00Z",
	config: JSON.parse(cfg),
	rootfs: { type: "layers", diff_ids: [`sha256:${ld}`] },
	history: [{ created: "1970-01-01T00:00:00Z", created_by: "mkimage" }],
});
const manifest = put({
	schemaVersion: 2,
	mediaType: "application/vnd.oci.image.manifest.v1+json",
	config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
	layers: [
		{
			mediaType: "application/vnd.oci.image.layer.v1.tar",
			digest: `sha256:${ld}`,
			size: lsize,
		},
	],
});
writeFileSync(
	join(tmp, "index.json"),
	JSON.stringify({
		schemaVersion: 2,
		mediaType: "application/vnd.oci.image.index.v1+json",
		manifests: [
			{
				mediaType: "application/vnd.oci.image.manifest.v1+json",
				...manifest,
				platform: { architecture: arch, os: "linux" },
				annotations: {
					"io.containerd.image.name": ref,
					"org.opencontainers.image.ref.name": ref.split(":").pop(),
				},
			},
		],
	}),
);
writeFileSync(join(tmp, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
execFileSync("tar", [
	"-C",
	tmp,
	"-cf",
	out,
	"oci-layout",
	"index.json",
	"blobs",
]);
rmSync(tmp, { recursive: true });
console.log(ref, `sha256:${ld}`, `${(lsize / 1e6).toFixed(1)} MB ->`, out);
