/** Physical rows of a file by its `stats`; deleted rows count too (PROTOCOL.md, "Per-file Statistics"). */
export function numRecords(stats: string | undefined): number | undefined {
	if (stats === undefined) return undefined;
	// Nearly every writer puts it first, and the rest of the text may be long.
	const quick = /^\{\s*"numRecords"\s*:\s*(\d+)\s*[,}]/.exec(stats);
	if (quick !== null) return Number(quick[1]);
	try {
		const { numRecords: rows } = JSON.parse(stats) as {
			numRecords?: unknown;
		};
		return typeof rows === "number" && Number.isSafeInteger(rows) && rows >= 0
			? rows
			: undefined;
	} catch {
		return undefined;
	}
}
