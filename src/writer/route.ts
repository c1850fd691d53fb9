import type { WriterConfig } from "./config.ts";

/** A table that a topic feeds. */
export interface Route {
	/** The table's folder below the location. */
	readonly path: string;
	readonly mode: "append" | "upsert";
	/** `schema.table` of the source. */
	readonly source: string;
}

/** The tables of a topic, whose name is `<prefix>.<schema>.<table>`. */
export function routesOf(topic: string, config: WriterConfig): Route[] {
	const { topicPrefix } = config.kafka;
	const source = topic.startsWith(`${topicPrefix}.`)
		? topic.slice(topicPrefix.length + 1)
		: topic;
	const dot = source.lastIndexOf(".");
	const schema = dot < 0 ? "" : source.slice(0, dot);
	const table = source.slice(dot + 1);
	const path = config.tablePath
		.replaceAll("{schema}", schema)
		.replaceAll("{table}", table);
	const routes: Route[] = [{ path, mode: config.writeMode, source }];
	if (config.history)
		routes.push({ path: `${path}_history`, mode: "append", source });
	return routes;
}
