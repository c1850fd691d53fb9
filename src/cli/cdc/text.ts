import { ageText } from "../../operator/cdc-pipeline/status.ts";

/** In one line, without what a terminal would obey: names and messages come from others. */
export function plain(text: string): string {
	return text
		.replace(
			// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
			/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g,
			" ",
		)
		.trim();
}

/** A text as lines of at most that many letters, the later ones indented. */
export function wrapped(text: string, indent: number, width = 100): string {
	const lines: string[] = [];
	let line = "";
	for (const word of plain(text).split(" ")) {
		if (line !== "" && line.length + word.length + 1 > width - indent) {
			lines.push(line);
			line = word;
		} else line = line === "" ? word : `${line} ${word}`;
	}
	return [...lines, line].join(`\n${" ".repeat(indent)}`);
}

/** Time since then as kubectl writes it; "" where it is unknown. */
export function age(time: string | undefined | null, nowMs: number): string {
	const at = Date.parse(time ?? "");
	if (Number.isNaN(at)) return "";
	return ageText(Math.max(0, (nowMs - at) / 1000));
}

export function ago(time: string | undefined | null, nowMs: number): string {
	const text = age(time, nowMs);
	return text === "" ? "" : `${text} ago`;
}

/** Bytes in the largest unit of which there is one at least. */
export function bytesText(bytes: number): string {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	const step = Math.min(
		units.length - 1,
		bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10),
	);
	const value = bytes / 1024 ** step;
	return `${step === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[step]}`;
}
