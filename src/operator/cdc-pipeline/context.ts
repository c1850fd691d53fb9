import type { ApiClient } from "../../kube/client.ts";
import type { Clock } from "../../kube/clock.ts";
import type { EventRecorder } from "../../kube/events.ts";
import type { Stores } from "../stores.ts";
import type { Connectors } from "./connector.ts";
import type { WriterImage } from "./stateful-set.ts";
import type { AskWriter } from "./writer-report.ts";

/** What a reconcile works with. */
export interface PipelineContext {
	readonly client: ApiClient;
	readonly clock: Clock;
	readonly stores: Stores;
	readonly connectors: Connectors;
	readonly events: EventRecorder;
	readonly askWriter: AskWriter;
	readonly image: WriterImage;
}
