import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Disk, openDisk } from "../../../src/storage/disk.ts";
import { openMemoryDisk } from "../../../src/storage/memory-disk.ts";

let folder = "";

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "tributary-disk-"));
});

afterEach(() => {
	rmSync(folder, { recursive: true, force: true });
});

for (const kind of ["folder", "memory"] as const)
	test(`${kind}: what is appended after a cut is what is read`, async () => {
		const disk: Disk =
			kind === "folder" ? openDisk(join(folder, "a/b")) : openMemoryDisk();
		expect(await disk.read("x")).toBeUndefined();
		expect(await disk.open("x")).toBeUndefined();
		expect(await disk.list()).toEqual([]);
		await disk.remove("x");
		const first = await disk.append("x", 0);
		await first.append(Buffer.from("hello "));
		await first.append(Buffer.from("world"));
		await first.sync();
		await first.close();
		const second = await disk.append("x", 6);
		await second.append(Buffer.from("disk"));
		await second.close();
		expect(Buffer.from((await disk.read("x")) ?? []).toString()).toBe(
			"hello disk",
		);
		const file = await disk.open("x");
		const part = new Uint8Array(8);
		expect(await file?.read(6, part)).toBe(4);
		expect(Buffer.from(part).toString()).toBe("disk\0\0\0\0");
		await file?.close();
		await disk.replace("x", Buffer.from("new"));
		expect(Buffer.from((await disk.read("x")) ?? []).toString()).toBe("new");
		expect(await disk.list()).toEqual(["x"]);
		await disk.remove("x");
		expect(await disk.read("x")).toBeUndefined();
	});

test("a folder that can't be written says which, and may be tried again", async () => {
	writeFileSync(join(folder, "file"), "");
	const disk = openDisk(join(folder, "file"));
	await expect(disk.replace("x", new Uint8Array(1))).rejects.toMatchObject({
		code: "DISK_FAILED",
		retryable: true,
		message: expect.stringContaining(join(folder, "file")),
	});
});
