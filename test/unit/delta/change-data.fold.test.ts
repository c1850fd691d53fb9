import { expect, test } from "vitest";
import type { Action, AddFile } from "../../../src/delta/actions.ts";
import { readChanges } from "../../../src/delta/change-data.ts";
import { changesIn } from "../../../src/delta/change-log.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { seeded } from "../../support/changes.ts";
import { collect, removal } from "./change-table.ts";
import { newTable, rowsFrom, SCHEMA, snapshotOf } from "./feed-table.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

test(`changes applied to one version give the other, for any range (SEED=${SEED})`, async () => {
	const random = seeded(SEED);
	const int = (limit: number): number => Math.floor(random() * limit);
	const table = await newTable();
	const states: Set<bigint>[] = [new Set()];
	const live = new Map<
		string,
		{ file: AddFile; rows: bigint[]; hidden: Set<number> }
	>();
	let next = 0;
	for (let version = 1; version <= 45; version++) {
		const actions: Action[] = [];
		for (const [path, state] of [...live]) {
			if (random() < 0.15) {
				actions.push({ remove: removal(state.file) });
				live.delete(path);
				continue;
			}
			if (random() > 0.4) continue;
			const hidden = new Set(
				state.rows
					.map((_, i) => i)
					.filter((i) => random() < (state.hidden.has(i) ? 0.8 : 0.2)),
			);
			const { deletionVector: _, ...whole } = state.file;
			const file: AddFile =
				hidden.size === 0
					? whole
					: await table.hidden(whole, [...hidden], {
							inlineBytes: int(2) * 128,
						});
			if (
				file.deletionVector === undefined &&
				state.file.deletionVector === undefined
			)
				continue;
			actions.push({ remove: removal(state.file) }, { add: file });
			live.set(path, { file, rows: state.rows, hidden });
		}
		if (random() < 0.7) {
			const rows = rowsFrom(next, 1 + int(40));
			next += rows.length;
			const file = await table.file(SCHEMA, rows);
			actions.push({ add: file });
			live.set(file.path, {
				file,
				rows: rows.map(({ id }) => id),
				hidden: new Set(),
			});
		}
		await table.commit(actions.sort(() => random() - 0.5));
		states.push(
			new Set(
				[...live.values()].flatMap(({ rows, hidden }) =>
					rows.filter((_, i) => !hidden.has(i)),
				),
			),
		);
	}
	const newest = await collect(
		readTable(table.engine, await snapshotOf(table)),
	);
	expect(new Set(newest.map((row) => row.id))).toEqual(states[45]);
	for (const [from, to] of [
		[1, 45],
		...Array.from({ length: 6 }, () => {
			const from = 1 + int(45);
			return [from, from + int(46 - from)];
		}),
	] as [number, number][]) {
		const rows = new Set(states[from - 1]);
		let version = from;
		for (const row of await collect(readChanges(table.engine, { from, to }))) {
			const id = row.id as bigint;
			expect(Number(row._commit_version)).toBeGreaterThanOrEqual(version);
			version = Number(row._commit_version);
			expect(rows.has(id), `${id} in ${version}`).toBe(
				row._change_type === "delete",
			);
			if (row._change_type === "delete") rows.delete(id);
			else rows.add(id);
		}
		expect(rows).toEqual(states[to]);
	}
});

test("a long range is read twice rather than held, with the same result", async () => {
	const table = await newTable();
	for (let i = 0; i < 70; i++)
		await table.commit([{ add: await table.file(SCHEMA, rowsFrom(i, 1)) }]);
	const end = await snapshotOf(table);
	const versions = async (maxKept: number): Promise<string[]> => {
		const found: string[] = [];
		for await (const commit of changesIn(
			table.engine,
			end,
			{ from: 1, to: 70 },
			{ recorded: false, maxKept },
		))
			found.push(`${commit.version} ${commit.adds[0]?.path}`);
		return found;
	};
	const all = await versions(1000);
	expect(all).toHaveLength(70);
	expect(await versions(0)).toEqual(all);
	expect(await versions(20)).toEqual(all);
});
