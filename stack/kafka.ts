import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import { installed } from "./cache.ts";
import { java } from "./java.ts";
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
	/** Of the secured listener. */
	readonly securedBootstrap?: string;
}

/** A second listener, which asks for TLS and credentials. */
export interface SecuredListener {
	/** PEM: the broker's key (PKCS #8) and its certificate. */
	readonly key: string;
	readonly certificate: string;
	readonly username: string;
	readonly password: string;
}

/**
 * A single Kafka broker that is its own KRaft controller. Its secured listener takes PLAIN, SCRAM and
 * OAUTHBEARER, of the last tokens without a signature (KIP-255).
 */
export async function startKafka(
	place: Place & { readonly secured?: SecuredListener },
): Promise<RunningKafka> {
	const host = place.host ?? LOCALHOST;
	const lib = join(installed("kafka", "lib"), "*");
	const dir = join(place.dir, "kafka");
	const [port = 0, controller = 0, secured = 0] = await freePorts(3);
	mkdirSync(dir, { recursive: true });
	const properties = join(dir, "server.properties");
	const more =
		place.secured === undefined ? "" : `,SECURED://${host}:${secured}`;
	writeFileSync(
		properties,
		[
			"process.roles=broker,controller",
			"node.id=1",
			`controller.quorum.bootstrap.servers=${host}:${controller}`,
			`listeners=PLAINTEXT://${host}:${port},CONTROLLER://${host}:${controller}${more}`,
			`advertised.listeners=PLAINTEXT://${host}:${port}${more}`,
			"controller.listener.names=CONTROLLER",
			"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL",
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
			// Records may have any timestamp; by it the broker would delete them while a test runs.
			"log.retention.ms=-1",
			"broker.session.timeout.ms=3000",
			"broker.heartbeat.interval.ms=500",
			...(place.secured === undefined ? [] : security(place.secured)),
			"",
		].join("\n"),
	);
	if (!existsSync(join(dir, "data/meta.properties")))
		format(properties, lib, place.secured);
	const bootstrap = `${host}:${port}`;
	return await start(
		{
			name: "kafka",
			place,
			cwd: dir,
			argv: java(place, {
				component: "kafka",
				heap: [128, 512],
				classPath: lib,
				flags: [LOGGING],
				run: ["kafka.Kafka", properties],
			}),
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
		{
			bootstrap,
			...(place.secured !== undefined && {
				securedBootstrap: `${host}:${secured}`,
			}),
		},
	);
}

function format(
	properties: string,
	lib: string,
	secured: SecuredListener | undefined,
): void {
	const [command = "", ...argv] = java(
		{},
		{
			component: "kafka",
			heap: [16, 128],
			classPath: lib,
			flags: [LOGGING],
			run: [
				"kafka.tools.StorageTool",
				"format",
				"--standalone",
				// One word, because an id may begin with a dash.
				`--cluster-id=${Buffer.from(randomUUID().replaceAll("-", ""), "hex").toString("base64url")}`,
				"-c",
				properties,
				...(secured === undefined ? [] : scramUsers(secured)),
			],
		},
	);
	execFileSync(command, argv, { stdio: "pipe" });
}

function security({
	key,
	certificate,
	username,
	password,
}: SecuredListener): string[] {
	const at = "listener.name.secured";
	const oauth = "org.apache.kafka.common.security.oauthbearer";
	return [
		`${at}.ssl.keystore.type=PEM`,
		`${at}.ssl.keystore.key=${propertyText(key)}`,
		`${at}.ssl.keystore.certificate.chain=${propertyText(certificate)}`,
		`${at}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER`,
		`${at}.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_${username}="${password}";`,
		...["256", "512"].map(
			(bits) =>
				`${at}.scram-sha-${bits}.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;`,
		),
		`${at}.oauthbearer.sasl.jaas.config=${oauth}.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
		`${at}.oauthbearer.sasl.server.callback.handler.class=${oauth}.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler`,
	];
}

const STORE_PASSWORD = "changeit";

/** Kafka Connect's API reads no PEM. */
function keyStore(
	dir: string,
	{ key, certificate }: Pick<SecuredListener, "key" | "certificate">,
): string {
	const pem = join(dir, "connect.pem");
	const store = join(dir, "connect.p12");
	writeFileSync(pem, `${key}\n${certificate}`);
	execFileSync(
		"openssl",
		[
			...["pkcs12", "-export", "-in", pem, "-out", store],
			...["-passout", `pass:${STORE_PASSWORD}`],
		],
		{ stdio: "pipe" },
	);
	return store;
}

/** Text of several lines as the value of one property. */
function propertyText(text: string): string {
	return text.trim().replaceAll("\n", "\\n");
}

function scramUsers({ username, password }: SecuredListener): string[] {
	return ["256", "512"].flatMap((bits) => [
		"--add-scram",
		`SCRAM-SHA-${bits}=[name=${username},password=${password}]`,
	]);
}

export interface RunningConnect extends Running {
	readonly url: string;
}

/**
 * Kafka Connect, distributed, with Debezium's MongoDB, PostgreSQL and MySQL connectors. Secured, its API
 * speaks TLS and asks for a name and a password.
 */
export async function startConnect(
	place: Place & {
		readonly bootstrap: string;
		readonly secured?: SecuredListener;
		/** Whether sources write in transactions; without, they may send records again. */
		readonly exactlyOnce?: boolean;
	},
): Promise<RunningConnect> {
	const host = place.host ?? LOCALHOST;
	const lib = join(installed("connect", "lib"), "*");
	const dir = join(place.dir, "connect");
	const [port = 0] = await freePorts(1);
	mkdirSync(dir, { recursive: true });
	const properties = join(dir, "connect.properties");
	const { secured } = place;
	const url = `${secured === undefined ? "http" : "https"}://${host}:${port}`;
	const jaas = join(dir, "jaas.conf");
	if (secured !== undefined) {
		const users = join(dir, "users.properties");
		writeFileSync(users, `${secured.username}=${secured.password}\n`);
		writeFileSync(
			jaas,
			`KafkaConnect {\n  org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule required file="${users}";\n};\n`,
		);
	}
	writeFileSync(
		properties,
		[
			`bootstrap.servers=${place.bootstrap}`,
			"group.id=connect",
			`listeners=${url}`,
			...(secured === undefined
				? []
				: [
						"listeners.https.ssl.keystore.type=PKCS12",
						`listeners.https.ssl.keystore.location=${keyStore(dir, secured)}`,
						`listeners.https.ssl.keystore.password=${STORE_PASSWORD}`,
						`listeners.https.ssl.key.password=${STORE_PASSWORD}`,
						"rest.extension.classes=org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension",
					]),
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
			`exactly.once.source.support=${place.exactlyOnce === false ? "disabled" : "enabled"}`,
			"connector.client.config.override.policy=All",
			`plugin.path=${installed("connect", "plugins")}`,
			"plugin.discovery=service_load",
			"",
		].join("\n"),
	);
	return await start(
		{
			name: "connect",
			place,
			cwd: dir,
			argv: java(place, {
				component: "connect",
				heap: [128, 768],
				classPath: lib,
				flags: [
					LOGGING,
					...(secured === undefined
						? []
						: [`-Djava.security.auth.login.config=${jaas}`]),
				],
				run: ["org.apache.kafka.connect.cli.ConnectDistributed", properties],
			}),
			ready: () =>
				secured === undefined
					? answersHttp(`${url}/connectors`)
					: answersTcp(host, port),
			readyTimeoutMs: 120_000,
		},
		{ url },
	);
}
