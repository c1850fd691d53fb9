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
import { java } from "./java.ts";
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

export interface RunningMariadb extends RunningDatabase {
	/** What statements of an administrator print, without names of columns: a line a row, tabs between columns. */
	run(statements: string): string;
}

/**
 * MariaDB with a binary log of rows, a password over TCP, and one empty database `shop`. The user has
 * what a connector needs, and no more.
 */
export async function startMariadb(place: Place): Promise<RunningMariadb> {
	const host = place.host ?? LOCALHOST;
	const server = "/usr/sbin/mariadbd";
	if (!existsSync(server))
		throw new Error("MariaDB is not installed: run stack/install.sh mariadb");
	const [port = 0] = await freePorts(1);
	const dir = join(place.dir, "mariadb");
	const data = join(dir, "data");
	const socket = join(dir, "socket");
	const [user, password, database] = ["cdc", "mariadb-password", "shop"];
	const admin = "admin";
	const as = ownFolder(dir, "daemon");
	if (!existsSync(join(data, "mysql"))) {
		const make = join(dir, "new");
		rmSync(make, { recursive: true, force: true });
		runAs(as, "/usr/bin/mariadb-install-db", [
			"--no-defaults",
			`--datadir=${make}`,
			"--auth-root-authentication-method=normal",
			"--skip-test-db",
		]);
		runAs(
			as,
			server,
			["--no-defaults", `--datadir=${make}`, "--bootstrap"],
			[
				"FLUSH PRIVILEGES;",
				`CREATE DATABASE ${database} CHARACTER SET utf8mb4;`,
				`CREATE USER '${user}'@'%' IDENTIFIED BY '${password}';`,
				`GRANT SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, BINLOG MONITOR, LOCK TABLES ON *.* TO '${user}'@'%';`,
				`CREATE USER '${admin}'@'%' IDENTIFIED BY '${password}';`,
				`GRANT ALL ON *.* TO '${admin}'@'%';`,
				"",
			].join("\n"),
		);
		renameSync(make, data);
	}
	const run = (statements: string): string =>
		execFileSync(
			"/usr/bin/mariadb",
			[
				"--no-defaults",
				`--host=${host}`,
				`--port=${port}`,
				`--user=${admin}`,
				`--database=${database}`,
				"--default-character-set=utf8mb4",
				"--batch",
				"--skip-column-names",
			],
			{
				input: statements,
				encoding: "utf8",
				stdio: "pipe",
				env: { ...process.env, MYSQL_PWD: password },
			},
		);
	return await start(
		{
			name: "mariadb",
			place,
			cwd: dir,
			...as,
			argv: [
				server,
				"--no-defaults",
				`--datadir=${data}`,
				`--port=${port}`,
				`--bind-address=${host}`,
				`--socket=${socket}`,
				"--skip-name-resolve",
				"--server-id=1",
				"--log-bin=binlog",
				"--binlog-format=ROW",
				"--binlog-row-image=FULL",
				"--character-set-server=utf8mb4",
				"--innodb-flush-log-at-trx-commit=0",
			],
			ready: async () => run("SELECT 1").trim() === "1",
		},
		{
			uri: `mariadb://${user}:${password}@${host}:${port}`,
			...{ host, port, user, password, database, run },
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
			argv: java(place, {
				component: "mongo-double",
				heap: [64, 512],
				classPath: `${installed("mongo-double", "classes")}:${join(installed("mongo-double", "lib"), "*")}`,
				flags: [`-Dport=${port}`, `-Dhost=${host}`],
				run: ["MongoDouble"],
			}),
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
