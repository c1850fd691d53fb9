import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where `stack/install.sh` puts what it made. */
export const CACHE =
	process.env.TRIBUTARY_CACHE ?? join(homedir(), ".cache", "tributary");

/** A Python with delta-rs, DuckDB and its delta extension, and pyarrow. */
export const JUDGES_PYTHON = join(CACHE, "judges", "bin", "python");

/** A Python with PySpark, and Delta's jars beside it. */
export const SPARK_PYTHON = join(CACHE, "spark", "bin", "python");

/** The path of a component's file; an error that names the installer when it is not there. */
export function installed(component: string, path: string): string {
	const full = join(CACHE, component, path);
	if (!existsSync(full))
		throw new Error(
			`${component} is not installed (no ${full}): run stack/install.sh`,
		);
	return full;
}
