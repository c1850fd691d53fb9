import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
	chmodSync,
	existsSync,
	mkdirSync,
	readFileSync,
	writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import {
	answersHttp,
	answersTcp,
	freePorts,
	type Place,
	type Running,
	start,
} from "./process.ts";

export type { Place, Running } from "./process.ts";

/** Where `stack/install.sh` puts what it made. */
export const CACHE =
	process.env.TRIBUTARY_CACHE ?? join(homedir(), ".cache", "tributary");

const LOCALHOST = "127.0.0.1";
const JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

function installed(component: string, path: string): string {
	const full = join(CACHE, component, path);
	if (!existsSync(full))
		throw new Error(
			`${component} is not installed (no ${full}): run stack/install.sh`,
		);
	return full;
}

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
			"auto.create.topics.enable=true",
			"log.retention.hours=24",
			"",
		].join("\n"),
	);
	const logging = `-Dlog4j2.configurationFile=${join(import.meta.dirname, "kafka/log4j2.properties")}`;
	if (!existsSync(join(dir, "data/meta.properties")))
		execFileSync(
			"java",
			[
				logging,
				"-Xmx128m",
				...JVM,
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
	const running = await start({
		name: "kafka",
		place,
		cwd: dir,
		argv: [
			"java",
			"-Xms128m",
			"-Xmx512m",
			"-XX:+UseSerialGC",
			logging,
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
	});
	return withFields(running, { bootstrap });
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
	const running = await start({
		name: "connect",
		place,
		cwd: dir,
		argv: [
			"java",
			"-Xms128m",
			"-Xmx768m",
			"-XX:+UseSerialGC",
			`-Dlog4j2.configurationFile=${join(import.meta.dirname, "kafka/log4j2.properties")}`,
			"-cp",
			lib,
			"org.apache.kafka.connect.cli.ConnectDistributed",
			properties,
		],
		ready: () => answersHttp(`${url}/connectors`),
		readyTimeoutMs: 120_000,
	});
	return withFields(running, { url });
}

export interface RunningPostgres extends Running {
	readonly uri: string;
	readonly host: string;
	readonly port: number;
	readonly user: string;
	readonly password: string;
	readonly database: string;
}

/** PostgreSQL 15 with logical replication and one empty database `shop`. */
export async function startPostgres(place: Place): Promise<RunningPostgres> {
	const host = place.host ?? LOCALHOST;
	const bin = "/usr/lib/postgresql/15/bin";
	if (!existsSync(`${bin}/postgres`))
		throw new Error(
			"PostgreSQL 15 is not installed: run stack/install.sh postgres",
		);
	const [port = 0] = await freePorts(1);
	const dir = join(place.dir, "postgres");
	const data = join(dir, "data");
	const [user, password, database] = ["postgres", "postgres-password", "shop"];
	// PostgreSQL refuses to run as root, and its user has to reach its data.
	const asUser = process.getuid?.() === 0 ? "postgres" : undefined;
	const run = (command: string, args: readonly string[]): Buffer =>
		execFileSync(
			"setpriv",
			[
				...(asUser === undefined
					? []
					: [`--reuid=${asUser}`, `--regid=${asUser}`, "--init-groups"]),
				"--",
				`${bin}/${command}`,
				...args,
			],
			{ stdio: "pipe", cwd: "/" },
		);
	if (!existsSync(join(data, "PG_VERSION"))) {
		mkdirSync(dir, { recursive: true });
		openToOthers(dir);
		if (asUser !== undefined)
			execFileSync("chown", [`${asUser}:${asUser}`, dir]);
		const secret = join(dir, "password");
		writeFileSync(secret, `${password}\n`, { mode: 0o644 });
		run("initdb", [
			"-D",
			data,
			"-U",
			user,
			"-A",
			"scram-sha-256",
			`--pwfile=${secret}`,
			"--no-sync",
			"-E",
			"UTF8",
			"--locale=C.UTF-8",
		]);
		writeFileSync(
			join(data, "pg_hba.conf"),
			"local all all trust\nhost all all all scram-sha-256\nhost replication all all scram-sha-256\n",
		);
	}
	let created = existsSync(join(dir, "created"));
	const running = await start({
		name: "postgres",
		place,
		cwd: dir,
		...(asUser === undefined ? {} : { user: asUser }),
		argv: [
			`${bin}/postgres`,
			"-D",
			data,
			...Object.entries({
				port: String(port),
				listen_addresses: host,
				unix_socket_directories: dir,
				wal_level: "logical",
				max_wal_senders: "8",
				max_replication_slots: "8",
				fsync: "off",
			}).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
		],
		ready: async () => {
			run("pg_isready", ["-h", dir, "-p", String(port), "-t", "1"]);
			if (!created) {
				run("createdb", ["-h", dir, "-p", String(port), "-U", user, database]);
				created = true;
				writeFileSync(join(dir, "created"), "");
			}
			return true;
		},
	});
	return withFields(running, {
		uri: `postgresql://${user}:${password}@${host}:${port}/${database}`,
		host,
		port,
		user,
		password,
		database,
	});
}

export interface RunningMariadb extends Running {
	readonly uri: string;
}

/** MariaDB with a row-format binlog and one empty database `shop`. */
export async function startMariadb(place: Place): Promise<RunningMariadb> {
	const host = place.host ?? LOCALHOST;
	const [port = 0] = await freePorts(1);
	const dir = join(place.dir, "mariadb");
	const data = join(dir, "data");
	const [user, password, database] = ["tributary", "mariadb-password", "shop"];
	const asUser = process.getuid?.() === 0 ? "mysql" : undefined;
	const init = join(dir, "init.sql");
	if (!existsSync(join(data, "mysql"))) {
		mkdirSync(dir, { recursive: true });
		openToOthers(dir);
		if (asUser !== undefined) execFileSync("chown", [`${asUser}:`, dir]);
		execFileSync(
			"mariadb-install-db",
			[
				"--no-defaults",
				`--datadir=${data}`,
				"--skip-test-db",
				...(asUser === undefined ? [] : [`--user=${asUser}`]),
			],
			{ stdio: "pipe", cwd: "/" },
		);
		writeFileSync(
			init,
			`CREATE DATABASE IF NOT EXISTS ${database};\nCREATE USER IF NOT EXISTS '${user}'@'%' IDENTIFIED BY '${password}';\nGRANT ALL PRIVILEGES ON *.* TO '${user}'@'%';\n`,
			{ mode: 0o644 },
		);
	}
	const running = await start({
		name: "mariadb",
		place,
		cwd: dir,
		...(asUser === undefined ? {} : { user: asUser }),
		argv: [
			"mariadbd",
			"--no-defaults",
			`--datadir=${data}`,
			`--port=${port}`,
			`--bind-address=${host}`,
			`--socket=${join(dir, "sock")}`,
			`--pid-file=${join(dir, "pid")}`,
			`--init-file=${init}`,
			"--server-id=1",
			"--log-bin=binlog",
			"--binlog-format=ROW",
			"--binlog-row-image=FULL",
			"--skip-name-resolve",
		],
		ready: () => answersTcp(host, port),
	});
	return withFields(running, {
		uri: `mysql://${user}:${password}@${host}:${port}/${database}`,
	});
}

export interface RunningMongoDouble extends Running {
	readonly uri: string;
}

/**
 * A test double of a MongoDB replica set: in memory, no authentication, no transactions. An empty
 * one lists no databases, which Debezium takes for missing rights: seed it first.
 */
export async function startMongoDouble(
	place: Place,
): Promise<RunningMongoDouble> {
	const host = place.host ?? LOCALHOST;
	const [port = 0] = await freePorts(1);
	mkdirSync(place.dir, { recursive: true });
	const running = await start({
		name: "mongo-double",
		place,
		argv: [
			"java",
			"-Xms64m",
			"-Xmx512m",
			"-XX:+UseSerialGC",
			`-Dport=${port}`,
			`-Dhost=${host}`,
			"-cp",
			`${installed("mongo-double", "classes")}:${join(installed("mongo-double", "lib"), "*")}`,
			"MongoDouble",
		],
		ready: () => answersTcp(host, port),
	});
	return withFields(running, {
		uri: `mongodb://${host}:${port}/?replicaSet=rs0`,
	});
}

export interface RunningS3 extends Running {
	readonly endpoint: string;
	readonly accessKeyId: string;
	readonly secretAccessKey: string;
	readonly region: string;
	/** Buckets are folders of it. */
	readonly folder: string;
}

/** versitygw over a folder. */
export async function startS3(
	place: Place & { readonly buckets?: readonly string[] },
): Promise<RunningS3> {
	const host = place.host ?? LOCALHOST;
	const [port = 0] = await freePorts(1);
	const folder = join(place.dir, "s3");
	mkdirSync(folder, { recursive: true });
	for (const bucket of place.buckets ?? [])
		mkdirSync(join(folder, bucket), { recursive: true });
	const [accessKeyId, secretAccessKey, region] = [
		"tributary",
		"tributary-secret",
		"us-east-1",
	];
	const endpoint = `http://${host}:${port}`;
	const running = await start({
		name: "s3",
		place,
		argv: [
			installed("versitygw", "versitygw"),
			"--port",
			`${host}:${port}`,
			"--access",
			accessKeyId,
			"--secret",
			secretAccessKey,
			"--region",
			region,
			"posix",
			folder,
		],
		ready: () => answersHttp(endpoint),
	});
	return withFields(running, {
		endpoint,
		accessKeyId,
		secretAccessKey,
		region,
		folder,
	});
}

/** Adds fields without copying the getters of `running`. */
function withFields<F extends object>(
	running: Running,
	fields: F,
): Running & F {
	return Object.assign(Object.create(running) as Running, fields);
}

/** Another user's process can reach `dir` only when each folder above it can be entered. */
function openToOthers(dir: string): void {
	chmodSync(dir, 0o755);
}

/** Resident memory of a process and its peak, in bytes. */
export function memoryOf(pid: number): { now: number; peak: number } {
	const status = readFileSync(`/proc/${pid}/status`, "utf8");
	const kilobytes = (name: string): number =>
		Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
	return { now: kilobytes("VmRSS") * 1024, peak: kilobytes("VmHWM") * 1024 };
}
