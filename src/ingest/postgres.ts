import pg from "pg";
import { ConfigError, messageOf } from "../errors.ts";
import type { Database } from "./database.ts";
import { StateError } from "./errors.ts";

/** SQLSTATE classes and codes after which the same call may succeed. */
const PASSING = /^(?:08|40|53|55P03|57P0[123])/;

/**
 * A database on a server, `postgres://user:password@host/database`; connections are made when needed.
 * @throws ConfigError for a URL that is none
 */
export function openPostgres(
	url: string,
	options: { readonly connections?: number; readonly ca?: string } = {},
): Database {
	const place = placeOf(url);
	const pool = new pg.Pool({
		connectionString: url,
		max: options.connections ?? 4,
		connectionTimeoutMillis: 10_000,
		application_name: "tributary-ingest",
		...(options.ca === undefined ? {} : { ssl: { ca: options.ca } }),
	});
	// An idle connection that the server closed is opened anew when one is needed.
	pool.on("error", () => {});

	function failed(cause: unknown): StateError {
		if (cause instanceof StateError) return cause;
		const code =
			cause instanceof Error && "code" in cause ? String(cause.code) : "";
		const denied = /^28|^42501/.test(code);
		const retryable = code === "" || !/^[0-9A-Z]{5}$/.test(code);
		return new StateError(
			"INGEST_STATE_FAILED",
			`the state database ${place} ${denied ? "denies access" : "failed"}: ${messageOf(cause)}; ${denied ? "check the user and its rights (CREATE on the database, or the schema tributary_ingest made by hand)" : "check that it is there and reachable"}`,
			{ cause, retryable: retryable || PASSING.test(code) },
		);
	}

	return {
		place,
		shared: true,
		query: async <R>(sql: string, values: readonly unknown[] = []) => {
			try {
				const { rows } = await pool.query(sql, [...values]);
				return rows as R[];
			} catch (cause) {
				throw failed(cause);
			}
		},
		transaction: async (work) => {
			let client: pg.PoolClient;
			try {
				client = await pool.connect();
			} catch (cause) {
				throw failed(cause);
			}
			let broken: Error | undefined;
			const query: Database["query"] = async <R>(
				sql: string,
				values: readonly unknown[] = [],
			) => {
				try {
					const { rows } = await client.query(sql, [...values]);
					return rows as R[];
				} catch (cause) {
					throw failed(cause);
				}
			};
			try {
				await query("BEGIN");
				const result = await work(query);
				await query("COMMIT");
				return result;
			} catch (error) {
				await query("ROLLBACK").catch((rollback: Error) => {
					broken = rollback;
				});
				throw error;
			} finally {
				client.release(broken);
			}
		},
		close: () => pool.end(),
	};
}

function placeOf(text: string): string {
	let url: URL;
	try {
		url = new URL(text);
	} catch {
		throw new ConfigError(
			"the state database's URL is none: write postgres://user:password@host:5432/database",
		);
	}
	if (!/^postgres(?:ql)?:$/.test(url.protocol))
		throw new ConfigError(
			`the state database's URL begins with ${url.protocol}//, which is not supported: use postgres://user:password@host:5432/database, or a folder`,
		);
	return `postgres://${url.host}${url.pathname}`;
}
