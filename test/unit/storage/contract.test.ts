import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFileStore } from "../../../src/storage/file.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";
import { storeContract } from "../../support/store-contract.ts";

storeContract("memory", async () => ({
	open: () => openMemoryStore({ now: Date.now }),
	tearDown: async () => {},
}));

storeContract("folder", async () => {
	const root = await mkdtemp(join(tmpdir(), "tributary-contract-"));
	let opened = 0;
	return {
		open: () => openFileStore(join(root, `store ${opened++}`)),
		tearDown: () => rm(root, { recursive: true, force: true }),
	};
});
