import { z } from "zod";

/** What the kubelet's message of a container holds at most. */
const MESSAGE_BYTES = 4096;

const count = z.number().int().min(0);

/** How large a table is, and how new. */
export const tableFigures = z.object({
	version: count,
	/** Absent where a file does not tell its number. */
	rows: count.optional(),
	files: count,
	bytes: count,
	/** RFC 3339. */
	lastCommit: z.string().optional(),
});

export type TableFigures = z.infer<typeof tableFigures>;

/** What a command on one table leaves as the message of its container, for the operator. */
export const jobResult = z.object({
	/** What was asked for, such as optimize. */
	operation: z.string().optional(),
	/** What was done, to read. */
	summary: z.string().optional(),
	metrics: z.record(z.string(), count).optional(),
	changes: z.array(z.string()).optional(),
	dryRun: z.boolean().optional(),
	/** The table afterwards. */
	table: tableFigures.optional(),
	/** Why nothing was done. */
	error: z.string().optional(),
	/** Its code. */
	code: z.string().optional(),
});

export type JobResult = z.infer<typeof jobResult>;

const LISTED = 30;

/** The result in no more bytes than a message holds. */
export function resultText(result: JobResult): string {
	const { changes, summary, error, ...rest } = result;
	const cut = (share: number): string =>
		JSON.stringify({
			...rest,
			...(summary !== undefined && { summary: shortened(summary, share) }),
			...(error !== undefined && { error: shortened(error, 2 * share) }),
			...(changes !== undefined && {
				changes: [
					...changes.slice(0, LISTED).map((text) => shortened(text, share / 8)),
					...(changes.length > LISTED
						? [`and ${changes.length - LISTED} more`]
						: []),
				],
			}),
		});
	for (let share = 1000; share > 50; share /= 2) {
		const text = cut(share);
		if (Buffer.byteLength(text) <= MESSAGE_BYTES) return text;
	}
	return JSON.stringify(rest);
}

function shortened(text: string, length: number): string {
	return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
