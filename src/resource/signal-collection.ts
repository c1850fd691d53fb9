import type { CdcPipelineSpec } from "./cdc-pipeline.ts";

/**
 * Where the connector marks the chunks of an incremental snapshot; `undefined` where it needs no such
 * place. A change stream of one database sees the marks of that database only.
 */
export function signalCollection({
	type,
	signalCollection: given,
	config,
}: Pick<CdcPipelineSpec["source"], "type" | "signalCollection" | "config">):
	| string
	| undefined {
	const named = given ?? config["signal.data.collection"];
	switch (type) {
		case "postgresql":
			return undefined;
		case "mysql":
		case "mariadb":
			return named;
		case "mongodb":
			return (
				named ??
				(config["capture.scope"] === "database" &&
				config["capture.target"] !== undefined
					? `${config["capture.target"]}.tributary_signals`
					: "tributary.signals")
			);
	}
}
