/** A PostgreSQL database, a server or one in the process. */
export interface Database {
	/** @throws StateError */
	query<R>(sql: string, values?: readonly unknown[]): Promise<readonly R[]>;
	/**
	 * Runs all queries of `work` in one transaction, which is rolled back when it throws.
	 * @throws StateError, and what `work` throws
	 */
	transaction<T>(work: (query: Database["query"]) => Promise<T>): Promise<T>;
	close(): Promise<void>;
	/** For messages; never holds a password. */
	readonly place: string;
	/** Whether other processes may use it at the same time. */
	readonly shared: boolean;
}
