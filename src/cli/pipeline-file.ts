import { type CdcPipeline, cdcPipeline } from "../resource/cdc-pipeline.ts";
import type { SecretReader } from "../writer/config.ts";
import {
	type Environment,
	parseResource,
	readResourceFiles,
} from "./resource-file.ts";

export interface PipelineFiles {
	readonly pipelines: readonly CdcPipeline[];
	readonly secret: SecretReader;
}

/**
 * Reads `CdcPipeline` and `Secret` documents.
 * @throws ConfigError naming the file, the document, the field and what is allowed
 */
export function readPipelineFiles(
	files: readonly string[],
	env: Environment,
): PipelineFiles {
	const { documents, secret } = readResourceFiles(files, "CdcPipeline", env);
	return {
		pipelines: documents.map(({ content, where }) =>
			override(parse(content, where), env),
		),
		secret,
	};
}

/** Where the parts are, for one machine or a test: the environment wins over the file. */
function override(pipeline: CdcPipeline, env: Environment): CdcPipeline {
	const { spec } = pipeline;
	const brokers = env.KAFKA_BOOTSTRAP_SERVERS;
	const location = env.TRIBUTARY_SINK_LOCATION;
	return {
		...pipeline,
		spec: {
			...spec,
			kafka: {
				...spec.kafka,
				...(brokers === undefined || brokers === ""
					? {}
					: { bootstrapServers: brokers.split(",").map((one) => one.trim()) }),
				...(env.KAFKA_CONNECT_URL === undefined
					? {}
					: { connectUrl: env.KAFKA_CONNECT_URL }),
			},
			sink: {
				...spec.sink,
				...(location === undefined
					? {}
					: {
							location: `${location.replace(/\/+$/, "")}/${pipeline.metadata.name}`,
						}),
			},
		},
	};
}

/** @throws ConfigError with every problem, each with its path and value */
export function parse(content: unknown, where: string): CdcPipeline {
	return parseResource(cdcPipeline, content, where);
}
