/** What did not fit a row's columns: path and original JSON text, in the order of arrival. */
export class Rescued {
	readonly #entries: { path: string; json: string }[] = [];

	get length(): number {
		return this.#entries.length;
	}

	add(path: readonly (string | number)[], json: string): void {
		this.#entries.push({ path: pathText(path), json });
	}

	/** Whether a top-level field is here, with another value than null. */
	has(name: string): boolean {
		const path = pathText([name]);
		return this.#entries.some(
			(one) => one.path === path && one.json !== "null",
		);
	}

	/** Forgets the entries since there were this many. */
	truncate(length: number): void {
		this.#entries.length = length;
	}

	/** `{"path": value, …}` with each value's original text. */
	json(): string {
		return `{${this.#entries
			.map(({ path, json }) => `${JSON.stringify(path)}:${json}`)
			.join(",")}}`;
	}
}

/** Names and array positions joined by dots; a name that has a dot itself stands in backticks. */
function pathText(path: readonly (string | number)[]): string {
	return path
		.map((name) =>
			typeof name === "number"
				? String(name)
				: name.includes(".") || name.includes("`")
					? `\`${name.replaceAll("`", "``")}\``
					: name,
		)
		.join(".");
}
