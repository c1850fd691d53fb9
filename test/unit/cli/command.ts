import { Writable } from "node:stream";
import { tableCommand } from "../../../src/cli/table.ts";

/** What `tributary table` prints, in this process. @throws as the command */
export async function table(...argv: readonly string[]): Promise<string> {
	let printed = "";
	await tableCommand(
		argv,
		new Writable({
			highWaterMark: 10,
			write: (chunk: Buffer, _encoding, done) => {
				printed += chunk.toString();
				setImmediate(done);
			},
		}),
	);
	return printed;
}

/** The code and the message that a command fails with. */
export async function failure(...argv: readonly string[]): Promise<string> {
	try {
		await table(...argv);
	} catch (error) {
		if (error instanceof Error && "code" in error)
			return `${String(error.code)}: ${error.message}`;
		throw error;
	}
	throw new Error(`table ${argv.join(" ")} has not failed`);
}
