const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Bytes as a person reads them: `3.4 MiB`. */
export function sizeText(bytes: number): string {
	let [value, unit] = [bytes, 0];
	while (value >= 1024 && unit < UNITS.length - 1) {
		value /= 1024;
		unit++;
	}
	return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
