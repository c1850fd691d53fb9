import type { DeadLetter, LetterStatus } from "./dead-letter.ts";
import { isText } from "./dead-letter-table.ts";

/** Which dead letters are meant; what is absent does not matter. */
export interface LetterFilter {
	/** The table's folder below the location. */
	readonly table?: string | undefined;
	readonly code?: string | undefined;
	readonly statuses?: readonly LetterStatus[] | undefined;
	/** First tried at this time or later; milliseconds since the epoch. */
	readonly sinceMs?: number | undefined;
	/** Last tried before this time. */
	readonly beforeMs?: number | undefined;
	readonly partition?: number | undefined;
	readonly offset?: bigint | undefined;
}

/** The filter as a condition in SQL, as far as files can be passed over by it; `undefined` for all letters. */
export function conditionOf(filter: LetterFilter): string | undefined {
	const parts: string[] = [];
	if (filter.table !== undefined)
		parts.push(isText("target_table", filter.table));
	if (filter.code !== undefined) parts.push(isText("error_code", filter.code));
	if (filter.statuses !== undefined)
		parts.push(
			`status IN (${filter.statuses.map((status) => `'${status}'`).join(", ")})`,
		);
	if (filter.sinceMs !== undefined)
		parts.push(`first_try >= ${timestamp(filter.sinceMs)}`);
	if (filter.beforeMs !== undefined)
		parts.push(`last_try < ${timestamp(filter.beforeMs)}`);
	if (filter.partition !== undefined)
		parts.push(`\`partition\` = ${filter.partition}`);
	if (filter.offset !== undefined) parts.push(`offset = ${filter.offset}`);
	return parts.length === 0 ? undefined : parts.join(" AND ");
}

export type NamedLetter = Pick<DeadLetter, "table" | "partition" | "offset">;

/** How a letter is called on the command line: `orders/0/123`. */
export function letterName({ table, partition, offset }: NamedLetter): string {
	return `${table}/${partition}/${offset}`;
}

/** What tells a letter from all others of its table, those of a topic of the same name too. */
export function letterId({
	position,
	offset,
}: Pick<DeadLetter, "position" | "offset">): string {
	return `${position}/${offset}`;
}

/** What `letterName` has named; `undefined` for a text that names none. */
export function parseLetterName(text: string): NamedLetter | undefined {
	const [, table, partition, offset] =
		/^(.+)\/(\d{1,9})\/(\d{1,18})$/.exec(text) ?? [];
	return table === undefined || offset === undefined
		? undefined
		: { table, partition: Number(partition), offset: BigInt(offset) };
}

function timestamp(ms: number): string {
	return `TIMESTAMP '${new Date(ms).toISOString()}'`;
}
