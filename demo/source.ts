import { type Collection, type Document, MongoClient, ObjectId } from "mongodb";
import pg from "pg";

/** A row as texts by column, null columns left out: the form in which source and table are compared. */
export type TextRow = Readonly<Record<string, string>>;

export interface Source {
	readonly name: string;
	/** Below the lake: pipeline, then table. */
	readonly table: string;
	/** Makes some changes; returns how many. */
	change(step: number): Promise<number>;
	/** The state now, by key. */
	rows(): Promise<ReadonlyMap<string, TextRow>>;
	close(): Promise<void>;
}

const CITIES = ["Oslo", "Bergen", "Łódź", "São Paulo", "東京"];

/** MongoDB's `shop.orders`, with some documents to start from. */
export async function mongoOrders(uri: string, seed: number): Promise<Source> {
	const client = await MongoClient.connect(uri, {
		serverSelectionTimeoutMS: 10_000,
	});
	const orders = client.db("shop").collection("orders");
	await orders.drop().catch(() => undefined); // There is none on the first run.
	const customers = client.db("shop").collection("customers");
	await customers.drop().catch(() => undefined);
	await orders.insertMany(Array.from({ length: seed }, (_, i) => order(i)));
	await customers.insertMany([
		{ _id: new ObjectId(), name: "alice", since: new Date(0) },
		{ _id: new ObjectId(), name: "bob", since: new Date(86_400_000) },
	]);
	return {
		name: "MongoDB shop.orders",
		table: "shop/orders",
		change: async (step) => await changeOrders(orders, step),
		rows: async () => {
			const rows = new Map<string, TextRow>();
			for await (const document of orders.find())
				rows.set(String(document._id), documentRow(document));
			return rows;
		},
		close: () => client.close(),
	};
}

function order(i: number): Document {
	return {
		_id: new ObjectId(),
		customer: ["alice", "bob", "carol"][i % 3],
		quantity: 1 + (i % 7),
		price: 0.25 + (i % 40),
		at: new Date(1_767_225_600_000 + i * 61_003),
		tags: i % 4 === 0 ? ["new", "gift"] : ["regular"],
		address: { city: CITIES[i % CITIES.length], zip: 1000 + (i % 900) },
		...(i % 5 === 0 ? { note: `line ${i}\n"quoted" \\ ü` } : {}),
	};
}

async function changeOrders(
	orders: Collection<Document>,
	step: number,
): Promise<number> {
	const base = 100_000 + step * 100;
	await orders.insertMany(
		Array.from({ length: 30 }, (_, i) => order(base + i)),
	);
	const some = await orders
		.find({}, { projection: { _id: 1 } })
		.limit(40)
		.skip(step * 3)
		.toArray();
	let changes = 30;
	for (const [i, { _id }] of some.entries()) {
		if (i % 4 === 3) await orders.deleteOne({ _id });
		else
			await orders.updateOne(
				{ _id },
				{
					$set: {
						quantity: 100 + step,
						"address.city": CITIES[step % CITIES.length],
						...(step > 2 ? { discount: 0.5 + step } : {}),
					},
				},
			);
		changes++;
	}
	return changes;
}

function documentRow(document: Document): TextRow {
	const row: Record<string, string> = {};
	for (const [name, value] of Object.entries(document)) {
		if (value === null || value === undefined) continue;
		if (value instanceof ObjectId) row[name] = value.toHexString();
		else if (value instanceof Date)
			row[name] = value.toISOString().replace("Z", "000Z");
		else if (typeof value === "object") row[name] = JSON.stringify(value);
		else row[name] = String(value);
	}
	return row;
}

/** PostgreSQL's `public.invoices`, with some rows to start from. */
export async function postgresInvoices(
	uri: string,
	seed: number,
): Promise<Source> {
	const client = new pg.Client({ connectionString: uri });
	await client.connect();
	await client.query(`
		DROP TABLE IF EXISTS public.invoices;
		CREATE TABLE public.invoices (
			id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
			customer text NOT NULL,
			amount numeric(12,2) NOT NULL,
			paid boolean NOT NULL DEFAULT false,
			issued date NOT NULL,
			created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
			note text
		)`);
	const insert = (count: number, offset: number) =>
		client.query(
			`INSERT INTO public.invoices (customer, amount, issued, note)
			 SELECT 'customer ' || (i % 11), (i * 137 % 100000) / 100.0, DATE '2026-01-01' + (i % 300),
			        CASE WHEN i % 3 = 0 THEN 'Ärger "' || i || '"' END
			 FROM generate_series($1::int, $2::int) AS i`,
			[offset, offset + count - 1],
		);
	await insert(seed, 0);
	return {
		name: "PostgreSQL public.invoices",
		table: "billing/invoices",
		change: async (step) => {
			await insert(20, 100_000 + step * 100);
			const updated = await client.query(
				"UPDATE public.invoices SET paid = true, amount = amount + 0.01 WHERE id % 17 = $1",
				[step % 17],
			);
			const deleted = await client.query(
				"DELETE FROM public.invoices WHERE id % 29 = $1",
				[step % 29],
			);
			return 20 + (updated.rowCount ?? 0) + (deleted.rowCount ?? 0);
		},
		rows: async () => {
			const { rows } = await client.query<Record<string, string | null>>(`
				SELECT id::text, customer, amount::text, paid::text, issued::text, note,
				       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at
				FROM public.invoices`);
			return new Map(
				rows.map((row) => [
					row.id ?? "",
					Object.fromEntries(
						Object.entries(row).filter(
							(entry): entry is [string, string] => entry[1] !== null,
						),
					),
				]),
			);
		},
		close: () => client.end(),
	};
}
