/** One change event as Debezium puts it into Kafka. */
export interface EnvelopeText {
	readonly key: string;
	readonly value: string;
}

/** As the MongoDB connector writes it: about 1.1 KB, 20 fields, a document and an array. */
export function mongoEnvelope(i: number): EnvelopeText {
	const id = objectId(i);
	const random = spread(i);
	const after = `{"_id": {"$oid": "${id}"},"customer": "customer ${random % 50_000}","email": "user${random}@example.org","status": "${["new", "paid", "sent", "done"][i % 4]}","quantity": ${1 + (i % 9)},"price": ${(random % 100_000) / 100 + 0.005},"total": {"$numberLong": "${9_000_000_000 + random}"},"paid": ${i % 3 === 0},"created": {"$date": ${1_767_225_600_000 + i * 13}},"updated": {"$date": ${1_767_225_700_000 + i * 17}},"country": "${["NO", "PL", "BR", "JP", "DE"][i % 5]}","note": "order ${i} of a customer who likes short notes","amount": {"$numberDecimal": "${(random % 1_000_000) / 100}"},"channel": "web","version": ${i % 12},"score": ${random / 4_294_967_296},"address": {"city": "City ${random % 300}","street": "Main street ${random % 999}","zip": ${10_000 + (random % 80_000)}},"tags": ["a${i % 7}","b${i % 11}","regular"],"session": "${(random * 7919).toString(36).padStart(12, "0")}","agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko"}`;
	return mongoRecord(i, id, after);
}

/** The same fields in another order in each document, a third of them missing, some of another type. */
export function irregularEnvelope(i: number): EnvelopeText {
	const id = objectId(i);
	const random = spread(i);
	const fields = [
		`"customer": "customer ${random % 50_000}"`,
		`"email": "user${random}@example.org"`,
		`"status": "${["new", "paid", "sent", "done"][i % 4]}"`,
		i % 50 === 0 ? '"quantity": "many"' : `"quantity": ${1 + (i % 9)}`,
		`"price": ${(random % 100_000) / 100 + 0.005}`,
		`"total": {"$numberLong": "${9_000_000_000 + random}"}`,
		`"paid": ${i % 3 === 0}`,
		`"created": {"$date": ${1_767_225_600_000 + i * 13}}`,
		`"updated": ${i % 7 === 0 ? "null" : `{"$date": ${1_767_225_700_000 + i * 17}}`}`,
		`"country": "${["NO", "PL", "BR", "JP", "DE"][i % 5]}"`,
		`"note": "order ${i}: \\"urgent\\", gr\\u00fc\\u00dfe, caf\u00e9\\n and a longer text than usual"`,
		`"amount": {"$numberDecimal": "${(random % 1_000_000) / 100}"}`,
		'"channel": "web"',
		`"version": ${i % 12}`,
		`"score": ${random / 4_294_967_296}`,
		`"address": {${i % 2 === 0 ? `"city": "City ${random % 300}","zip": ${10_000 + (random % 80_000)}` : `"zip": ${10_000 + (random % 80_000)},"city": "City ${random % 300}"`}}`,
		`"tags": [${["a", "b", "c", "d"]
			.slice(0, 1 + (i % 4))
			.map((tag) => `"${tag}${i % 7}"`)
			.join(",")}]`,
		`"session": "${(random * 7919).toString(36).padStart(12, "0")}"`,
		'"agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko"',
	];
	const chosen: string[] = [`"_id": {"$oid": "${id}"}`];
	for (let n = 0; n < fields.length; n++) {
		const at = (n * 7 + (random % 19)) % fields.length;
		if ((random >>> (n % 16)) % 3 !== 0) chosen.push(fields[at] as string);
	}
	return mongoRecord(i, id, `{${chosen.join(",")}}`);
}

/** As the PostgreSQL connector writes it with `schemas.enable=true`. */
export function relationalEnvelope(i: number): EnvelopeText {
	const random = spread(i);
	const at = 1_795_225_211_000 + i;
	const after = `{"id":${i},"customer":"customer ${random % 50_000}","email":"user${random}@example.org","status":"${["new", "paid", "sent", "done"][i % 4]}","quantity":${1 + (i % 9)},"price":${(random % 100_000) / 100 + 0.005},"total":${9_000_000_000 + random},"paid":${i % 3 === 0},"created":${(1_767_225_600_000 + i * 13) * 1000},"updated":"2026-01-02T03:04:05.${String(i % 1_000_000).padStart(6, "0")}Z","country":"${["NO", "PL", "BR", "JP", "DE"][i % 5]}","note":"order ${i} of a customer who likes short notes","amount":"${["ew==", "BOI=", "Jw8=", "AYag"][i % 4]}","day":${20_000 + (i % 900)},"version":${i % 12},"score":${random / 4_294_967_296},"tags":["a${i % 7}","b${i % 11}"],"meta":"{\\"x\\": ${i}}","session":"${(random * 7919).toString(36).padStart(12, "0")}","agent":"Mozilla/5.0 (X11; Linux x86_64) Gecko"}`;
	return {
		key: JSON.stringify({ id: i }),
		value: `{"schema":${RELATIONAL_SCHEMA},"payload":{"before":null,"after":${after},"source":{"version":"3.6.1.Final","connector":"postgresql","name":"bench","ts_ms":${at},"snapshot":"false","db":"shop","sequence":"[null,\\"26384088\\"]","ts_us":${at}000,"ts_ns":${at}000000,"schema":"public","table":"orders","txId":731,"lsn":26384088,"xmin":null,"origin":null,"origin_lsn":null},"transaction":null,"op":"c","ts_ms":${at},"ts_us":${at}000,"ts_ns":${at}000000}}`,
	};
}

/** As with `schemas.enable=false`: the payload alone, about 0.9 KB. */
export function relationalPayload(i: number): EnvelopeText {
	const { key, value } = relationalEnvelope(i);
	return { key, value: value.slice(PAYLOAD_AT, -1) };
}

const COLUMNS: readonly (readonly [string, string, string?])[] = [
	["id", "int64"],
	["customer", "string"],
	["email", "string"],
	["status", "string"],
	["quantity", "int32"],
	["price", "double"],
	["total", "int64"],
	["paid", "boolean"],
	["created", "int64", "io.debezium.time.MicroTimestamp"],
	["updated", "string", "io.debezium.time.ZonedTimestamp"],
	["country", "string"],
	["note", "string"],
	["amount", "bytes", "org.apache.kafka.connect.data.Decimal"],
	["day", "int32", "io.debezium.time.Date"],
	["version", "int32"],
	["score", "double"],
	["tags", "array"],
	["meta", "string", "io.debezium.data.Json"],
	["session", "string"],
	["agent", "string"],
];

const RELATIONAL_SCHEMA = JSON.stringify({
	type: "struct",
	fields: ["before", "after"].map((image) => ({
		type: "struct",
		fields: COLUMNS.map(([name, type, semantic]) => ({
			type,
			optional: true,
			field: name,
			...(semantic === undefined ? {} : { name: semantic, version: 1 }),
			...(type === "bytes"
				? {
						parameters: { scale: "2", "connect.decimal.precision": "10" },
					}
				: {}),
			...(type === "array" ? { items: { type: "string" } } : {}),
		})),
		optional: true,
		name: "bench.public.orders.Value",
		field: image,
	})),
	optional: false,
	name: "bench.public.orders.Envelope",
});

const PAYLOAD_AT = `{"schema":${RELATIONAL_SCHEMA},"payload":`.length;

function mongoRecord(i: number, id: string, after: string): EnvelopeText {
	const at = 1_795_225_211_000 + i;
	return {
		key: JSON.stringify({ id: `{"$oid": "${id}"}` }),
		value: `{"before":null,"after":${JSON.stringify(after)},"updateDescription":null,"source":{"version":"3.6.1.Final","connector":"mongodb","name":"bench","ts_ms":${at},"snapshot":"false","db":"shop","sequence":null,"ts_us":${at}000,"ts_ns":${at}000000,"collection":"orders","ord":1,"lsid":null,"txnNumber":null,"wallTime":${at}},"op":"c","ts_ms":${at},"transaction":null}`,
	};
}

function objectId(i: number): string {
	return i.toString(16).padStart(24, "6");
}

function spread(i: number): number {
	return (i * 2_654_435_761) % 4_294_967_296;
}
