import { openStore, storageCredentials } from "../../src/storage/open.ts";
import { commitNumbers, engineOver } from "./commit-ledger.ts";

/**
 * One process of the race: `commit-process.ts LOCATION NAME COUNT`. It says that it is ready, waits
 * for a line, commits, and tells what that took.
 */
const [location = "", name = "", count = ""] = process.argv.slice(2);
const engine = engineOver(openStore(location, storageCredentials(process.env)));
await engine.store.head("_delta_log/_last_checkpoint");
process.stdout.write("ready\n");
await new Promise((go) => process.stdin.once("data", go));
const started = performance.now();
const result = await commitNumbers(engine, name, Number(count));
const { user, system } = process.cpuUsage();
process.stdout.write(
	`${JSON.stringify({ ...result, seconds: (performance.now() - started) / 1000, cpuSeconds: (user + system) / 1e6, peakRss: process.resourceUsage().maxRSS * 1024 })}\n`,
);
process.stdin.destroy();
