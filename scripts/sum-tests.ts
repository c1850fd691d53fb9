import { readFileSync } from "node:fs";

/** Adds the reports of several test runs up to one, on standard output. */
const sums = {
	numPassedTests: 0,
	numFailedTests: 0,
	numPendingTests: 0,
	numTodoTests: 0,
};
const testResults: unknown[] = [];
for (const file of process.argv.slice(2)) {
	const report = JSON.parse(readFileSync(file, "utf8")) as typeof sums & {
		testResults: unknown[];
	};
	for (const name of Object.keys(sums) as (keyof typeof sums)[])
		sums[name] += report[name];
	testResults.push(...report.testResults);
}
process.stdout.write(`${JSON.stringify({ ...sums, testResults })}\n`);
