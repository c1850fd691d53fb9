import type { SourceType } from "../resource/cdc-pipeline.ts";
import { Fingerprint, type SourcePlace } from "./source-place.ts";

/** Which change of the source a record tells of: its place in the source's log, its key and its operation. */
export class ChangeIdentity {
	/** Of all three. */
	readonly fingerprint = new Fingerprint();
	/** Of the place alone. */
	readonly place = new Fingerprint();
	/** Of the place: of two changes with different ones the later has the greater time, or the greater step at the same, nearly always. */
	time = -1;
	step = -1;
	/** Whether another change of the place may have the same. */
	shared = false;

	set(
		place: SourcePlace,
		key: Uint8Array,
		op: string,
		source: SourceType,
	): void {
		this.place.copy(place.fingerprint);
		this.fingerprint.copy(place.fingerprint);
		this.fingerprint.byte(op.charCodeAt(0));
		this.fingerprint.bytes(key, 0, key.length);
		this.fingerprint.finish();
		this.time = place.time;
		this.step = place.step;
		this.shared = place.shared(source, op);
	}
}
