import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import { installed } from "./cache.ts";
import {
	answersHttp,
	answersTcp,
	freePorts,
	LOCALHOST,
	type Place,
	type Running,
	start,
} from "./process.ts";

const LOGGING = `-Dlog4j2.configurationFile=${join(import.meta.dirname, "kafka/log4j2.properties")}`;

export interface RunningKafka extends Running {
	readonly bootstrap: string;
}

/** A single Kafka broker that is its own KRaft controller. */
export async function startKafka(place: Place): Promise<RunningKafka> {
	const host = place.host ?? LOCALHOST;
	const lib = join(installed("kafka", "lib"), "*");
	const dir = join(place.dir, "kafka");
	const [port = 0, controller = 0] = await freePorts(2);
	mkdirSync(dir, { recursive: true });
	const properties = join(dir, "server.properties");
	writeFileSync(
		properties,
		[
			"process.roles=broker,controller",
			"node.id=1",
			`controller.quorum.bootstrap.servers=${host}:${controller}`,
			`listeners=PLAINTEXT://${host}:${port},CONTROLLER://${host}:${controller}`,
			`advertised.listeners=PLAINTEXT://${host}:${port}`,
			"controller.listener.names=CONTROLLER",
			"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
			"inter.broker.listener.name=PLAINTEXT",
			`log.dirs=${join(dir, "data")}`,
			"num.partitions=1",
			"offsets.topic.replication.factor=1",
			"offsets.topic.num.partitions=1",
			"transaction.state.log.replication.factor=1",
			"transaction.state.log.min.isr=1",
			"transaction.state.log.num.partitions=1",
			"share.coordinator.state.topic.replication.factor=1",
			"share.coordinator.state.topic.min.isr=1",
			"group.initial.rebalance.delay.ms=0",
			"group.min.session.timeout.ms=500",
			"auto.create.topics.enable=true",
			"log.retention.hours=24",
			"broker.session.timeout.ms=3000",
			"broker.heartbeat.interval.ms=500",
			"",
		].join("\n"),
	);
	if (!existsSync(join(dir, "data/meta.properties")))
		execFileSync(
			"java",
			[
				LOGGING,
				"-Xmx128m",
				"-XX:+UseSerialGC",
				"-XX:TieredStopAtLevel=1",
				"-cp",
				lib,
				"kafka.tools.StorageTool",
				"format",
				"--standalone",
				"-t",
				Buffer.from(randomUUID().replaceAll("-", ""), "hex").toString(
					"base64url",
				),
				"-c",
				properties,
			],
			{ stdio: "pipe" },
		);
	const bootstrap = `${host}:${port}`;
	return await start(
		{
			name: "kafka",
			place,
			cwd: dir,
			argv: [
				"java",
				"-Xms128m",
				"-Xmx512m",
				"-XX:+UseSerialGC",
				LOGGING,
				"-cp",
				lib,
				"kafka.Kafka",
				properties,
			],
			ready: async () => {
				if (!(await answersTcp(host, port))) return false;
				const admin = new Kafka({
					brokers: [bootstrap],
					logLevel: logLevel.NOTHING,
					retry: { retries: 0 },
				}).admin();
				try {
					await admin.connect();
					return (await admin.describeCluster()).brokers.length === 1;
				} finally {
					await admin.disconnect();
				}
			},
		},
		{ bootstrap },
	);
}

export interface RunningConnect extends Running {
	readonly url: string;
}

/** Kafka Connect, distributed, with Debezium's MongoDB, PostgreSQL and MySQL connectors. */
export async function startConnect(
	place: Place & { readonly bootstrap: string },
): Promise<RunningConnect> {
	const host = place.host ?? LOCALHOST;
	const lib = join(installed("connect", "lib"), "*");
	const dir = join(place.dir, "connect");
	const [port = 0] = await freePorts(1);
	mkdirSync(dir, { recursive: true });
	const properties = join(dir, "connect.properties");
	writeFileSync(
		properties,
		[
			`bootstrap.servers=${place.bootstrap}`,
			"group.id=connect",
			`listeners=http://${host}:${port}`,
			`rest.advertised.host.name=${host}`,
			"key.converter=org.apache.kafka.connect.json.JsonConverter",
			"value.converter=org.apache.kafka.connect.json.JsonConverter",
			"config.storage.topic=connect-configs",
			"offset.storage.topic=connect-offsets",
			"status.storage.topic=connect-status",
			"config.storage.replication.factor=1",
			"offset.storage.replication.factor=1",
			"status.storage.replication.factor=1",
			"offset.storage.partitions=1",
			"status.storage.partitions=1",
			"offset.flush.interval.ms=1000",
			"exactly.once.source.support=enabled",
			"connector.client.config.override.policy=All",
			`plugin.path=${installed("connect", "plugins")}`,
			"plugin.discovery=service_load",
			"",
		].join("\n"),
	);
	const url = `http://${host}:${port}`;
	return await start(
		{
			name: "connect",
			place,
			cwd: dir,
			argv: [
				"java",
				"-Xms128m",
				"-Xmx768m",
				"-XX:+UseSerialGC",
				LOGGING,
				"-cp",
				lib,
				"org.apache.kafka.connect.cli.ConnectDistributed",
				properties,
			],
			ready: () => answersHttp(`${url}/connectors`),
			readyTimeoutMs: 120_000,
		},
		{ url },
	);
}
