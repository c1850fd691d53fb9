import { existsSync, writeFileSync } from "node:fs";

/** Where a container leaves its last word; there is none outside of a pod. */
const MESSAGE_FILE = "/dev/termination-log";

/** Whether this process runs in a container whose last word is read. */
export function hasReader(): boolean {
	return existsSync(MESSAGE_FILE);
}

/** Leaves what the operator reads from the status of the pod, 4 KiB at most. */
export function leaveMessage(text: string): void {
	if (hasReader()) writeFileSync(MESSAGE_FILE, text);
}
