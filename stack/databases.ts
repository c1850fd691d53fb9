import { execFileSync } from "node:child_process";
import {
	chmodSync,
	existsSync,
	mkdirSync,
	renameSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { installed } from "./cache.ts";
import {
	answersTcp,
	freePorts,
	LOCALHOST,
	type Place,
	type Running,
	start,
} from "./process.ts";

export interface RunningDatabase extends Running {
	readonly uri: string;
	readonly host: string;
	readonly port: number;
	readonly user: string;
	readonly password: string;
	readonly database: string;
}

/** PostgreSQL 15 with logical replication, a password over TCP, and one empty database `shop`. */
export async function startPostgres(place: Place): Promise<RunningDatabase> {
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
	const as = ownFolder(dir, "postgres");
	if (!existsSync(join(data, "PG_VERSION"))) {
		const secret = join(dir, "password");
		writeFileSync(secret, `${password}\n`);
		const make = join(dir, "new");
		rmSync(make, { recursive: true, force: true });
		runAs(as, `${bin}/initdb`, [
			`--pgdata=${make}`,
			`--username=${user}`,
			"--auth=scram-sha-256",
			`--pwfile=${secret}`,
			"--no-sync",
			"--encoding=UTF8",
			"--locale=C.UTF-8",
		]);
		writeFileSync(
			join(make, "pg_hba.conf"),
			"host all all all scram-sha-256\nhost replication all all scram-sha-256\n",
		);
		runAs(
			as,
			`${bin}/postgres`,
			["--single", "-D", make, "postgres"],
			`CREATE DATABASE ${database}\n`,
		);
		// A folder that was only half made must not pass for a database.
		renameSync(make, data);
	}
	const settings = {
		port: String(port),
		listen_addresses: host,
		unix_socket_directories: "",
		wal_level: "logical",
		max_wal_senders: "8",
		max_replication_slots: "8",
		fsync: "off",
	};
	return await start(
		{
			name: "postgres",
			place,
			cwd: dir,
			...as,
			// A fast shutdown: SIGTERM would wait for the clients.
			stopSignal: "SIGINT",
			argv: [
				`${bin}/postgres`,
				"-D",
				data,
				...Object.entries(settings).flatMap(([name, value]) => [
					"-c",
					`${name}=${value}`,
				]),
			],
			ready: async () => {
				runAs({}, `${bin}/pg_isready`, ["-h", host, "-p", String(port)]);
				return true;
			},
		},
		{
			uri: `postgresql://${user}:${password}@${host}:${port}/${database}`,
			host,
			port,
			user,
			password,
			database,
		},
	);
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
	return await start(
		{
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
		},
		{
			uri: `mongodb://${host}:${port}/?replicaSet=rs0`,
		},
	);
}

interface As {
	readonly user?: string;
}

/** Makes a server's folder. As root it is given to `user`, because the servers refuse to run as root. */
function ownFolder(dir: string, user: string): As {
	mkdirSync(dir, { recursive: true });
	if (process.getuid?.() !== 0) return {};
	// The caller's folder is often a private temporary one.
	chmodSync(dirname(dir), statSync(dirname(dir)).mode | 0o001);
	for (let above = dirname(dir); ; above = dirname(above)) {
		if ((statSync(above).mode & 0o001) === 0)
			throw new Error(
				`${user} can't enter ${above}, so its data can't be in ${dir}: choose another folder`,
			);
		if (above === dirname(above)) break;
	}
	execFileSync("chown", [`${user}:`, dir]);
	return { user };
}

function runAs(
	{ user }: As,
	command: string,
	args: readonly string[],
	input = "",
): void {
	const become =
		user === undefined
			? []
			: [
					"setpriv",
					`--reuid=${user}`,
					`--regid=${user}`,
					"--init-groups",
					"--",
				];
	const [program = command, ...rest] = [...become, command, ...args];
	execFileSync(program, rest, { stdio: "pipe", cwd: "/", input });
}
