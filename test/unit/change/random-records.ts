/** Random change records: mostly what connectors send, with every oddity that JSON allows in between. */
export class RandomRecords {
	readonly #next: () => number;

	constructor(seed: number) {
		let state = seed >>> 0;
		// mulberry32
		this.#next = () => {
			state = (state + 0x6d2b79f5) >>> 0;
			let t = Math.imul(state ^ (state >>> 15), state | 1);
			t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
			return (t ^ (t >>> 14)) >>> 0;
		};
	}

	below(limit: number): number {
		return this.#next() % limit;
	}

	chance(oneIn: number): boolean {
		return this.below(oneIn) === 0;
	}

	pick<T>(values: readonly T[]): T {
		return values[this.below(values.length)] as T;
	}

	shuffled<T>(values: readonly T[]): T[] {
		const copy = [...values];
		for (let i = copy.length - 1; i > 0; i--) {
			const j = this.below(i + 1);
			[copy[i], copy[j]] = [copy[j] as T, copy[i] as T];
		}
		return copy;
	}

	space(): string {
		return this.chance(12) ? this.pick([" ", "\n", "\t", "\r", "  \n "]) : "";
	}

	/** A JSON string of this content, with escapes that need not be there now and then. */
	quoted(content: string): string {
		const plain = JSON.stringify(content);
		if (!this.chance(5)) return plain;
		let text = "";
		for (let i = 0; i < content.length; i++) {
			const unit = content.charCodeAt(i);
			const surrogate = unit >= 0xd800 && unit < 0xe000;
			if (content[i] === "/" && this.chance(2)) text += "\\/";
			else if (!surrogate && this.chance(4)) {
				const hex = unit.toString(16).padStart(4, "0");
				text += `\\u${this.chance(2) ? hex : hex.toUpperCase()}`;
			} else text += JSON.stringify(content[i]).slice(1, -1);
		}
		return `"${this.chance(2) ? text : text.replaceAll(/[\ud800-\udfff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`)}"`;
	}

	text(): string {
		const length = this.pick([0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 31, 40, 100]);
		const odd = this.chance(4);
		let text = "";
		for (let i = 0; i < length; i++)
			text += odd
				? this.pick([
						'"',
						"\\",
						"/",
						"\n",
						"\u0000",
						"\u001f",
						"é",
						"日",
						"😀",
						"a",
						" ",
						"\u007f",
						"\u2028",
					])
				: this.pick(["a", "b", "c", " ", "x", "1", "e"]);
		return text;
	}

	number(): string {
		const digits = (count: number): string =>
			String(1 + this.below(9)) +
			Array.from({ length: count - 1 }, () => this.below(10)).join("");
		const sign = this.chance(4) ? "-" : "";
		switch (this.below(9)) {
			case 0:
				return this.pick([
					"0",
					"-0",
					"0.0",
					"-0.0",
					"3.0",
					"-7.000",
					"1e400",
					"-1e400",
					"1E5",
					"2e-400",
					"0e999",
					"9223372036854775807",
					"9223372036854775808",
					"-9223372036854775808",
					"-9223372036854775809",
					"9007199254740993",
					"123456789012345678901234567890",
					"0.1",
					"1.7976931348623157e308",
					"5e-324",
					"0.000001",
					"100000000000000000000.5",
				]);
			case 1:
				return sign + digits(1 + this.below(25));
			case 2:
				return `${sign}${digits(1 + this.below(10))}.${Array.from({ length: 1 + this.below(12) }, () => this.below(10)).join("")}`;
			case 3:
				return `${sign}${digits(1 + this.below(5))}e${this.pick(["", "+", "-"])}${this.below(30)}`;
			case 4:
				return `${sign}0.${"0".repeat(this.below(6))}${digits(1 + this.below(20))}`;
			case 5:
				return String(this.below(2 ** 32) / 4_294_967_296);
			default:
				return sign + this.below(100_000);
		}
	}

	extended(): string {
		const oid = Array.from({ length: 24 }, () =>
			this.below(16).toString(16),
		).join("");
		const s = (): string => this.pick(["", " ", " "]);
		switch (this.below(16)) {
			case 0:
			case 1:
			case 2:
				return `{"$oid":${s()}"${this.chance(8) ? oid.toUpperCase() : oid}"}`;
			case 3:
			case 4:
				return `{"$date":${s()}${1_767_225_600_000 + this.below(1e9)}}`;
			case 5:
				return `{"$date":${s()}${this.pick(['"2026-01-02T03:04:05.678Z"', "-1", '{"$numberLong": "-62135596800000"}', '{"$numberLong":"9999999999999999"}', "1e3", "1.5", "9007199254740993", "253402300799999", '"never"', "null", "999999999999999"])}}`;
			case 6:
			case 7:
			case 8:
				return `{"$numberLong":${s()}"${this.pick(["-", ""])}${this.below(1e9)}"}`;
			case 9:
				return `{"$numberLong":${s()}"${this.pick(["9223372036854775807", "-9223372036854775808", "9223372036854775808", "007", "-0", "-", "", "1e", "1.", "1e5", "12345678901234567890", "9007199254740993", " 1", "1 "])}"}`;
			case 10:
			case 11:
				return `{"$numberDecimal":${s()}"${this.pick(["12.50", "1E+3", "NaN", "-Infinity", "0.000000000000000000000000000000001", "-0", "0E-20", "7", "-1.5E-3", "1.000000000000000000", "9.999999E+6144", "1234567890123456789012345678901234", "", "1.", ".5", "--1", "1e5"])}"}`;
			case 12:
				return `{"$numberDouble":${s()}"${this.pick(["NaN", "Infinity", "-Infinity", "1.5", "1e400", "constructor", "", "-0"])}"}`;
			case 13:
				return this.pick([
					'{"$binary":"aGk=","$type":"00"}',
					'{"$binary":{"base64":"ASNFZ4mrze8BI0VniavN7w==","subType":"04"}}',
					'{"$binary":"ASNFZ4mrze8BI0VniavN7w==","$type":"04"}',
					'{"$binary":"!","$type":"00"}',
					'{"$binary":5,"$type":"00"}',
				]);
			case 14:
				return this.pick([
					'{"$regex":"a+","$options":"i"}',
					'{"$timestamp":{"t":1,"i":2}}',
					'{"$minKey":1}',
					'{"$undefined":true}',
					'{"$uuid":"01234567-89AB-cdef-0123-456789abcdef"}',
					'{"$code":"f()\\n"}',
				]);
			default:
				return this.pick([
					'{"$foo":1}',
					`{"$oid":"${oid}","x":1}`,
					'{"$oid":5}',
					'{"$oid":"short"}',
					'{"$numberLong":5}',
					'{"$numberDecimal":1}',
					'{"$ref":"c","$id":1}',
					`{ "$oid" : "${oid}" }`,
					`{"\\u0024oid":"${oid}"}`,
					'{"$date":[1]}',
					'{"$numberDecimal":"\\ud800"}',
					'{"$oid":{}}',
					'{"$numberLong":null}',
				]);
		}
	}

	/** A value of the kind that this name mostly has. */
	value(name: string, depth = 0): string {
		const kinds = [
			"number",
			"small",
			"text",
			"boolean",
			"extended",
			"object",
			"array",
			"long",
			"objects",
		];
		const own = kinds[(name.charCodeAt(0) + name.length) % kinds.length];
		const kind = this.chance(10) ? this.pick([...kinds, "null", "empty"]) : own;
		if (depth > 3) return this.number();
		switch (kind) {
			case "number":
				return this.number();
			case "small":
				return String(this.below(1000));
			case "long":
				return this.pick([
					`{"$numberLong": "${this.below(2 ** 32)}"}`,
					String(this.below(2 ** 32)),
				]);
			case "text":
				return this.quoted(this.text());
			case "boolean":
				return this.pick(["true", "false"]);
			case "extended":
				return this.extended();
			case "object":
				return this.object(this.below(4), depth + 1);
			case "array":
				return `[${Array.from({ length: this.below(4) }, () => this.space() + (this.chance(10) ? this.value("z", depth + 1) : this.pick([String(this.below(100)), String(this.below(100)), this.number(), "null"]))).join(",")}${this.space()}]`;
			case "objects":
				return `[${Array.from({ length: this.below(4) }, () => this.object(this.below(3), depth + 1)).join(",")}]`;
			case "empty":
				return this.pick([
					"{}",
					"[]",
					"[[]]",
					"[null]",
					'{"a":null}',
					"[{}]",
					'"\\ud800"',
					'"\\udc00x"',
					'"a\\ud83d"',
				]);
			default:
				return "null";
		}
	}

	object(count: number, depth = 0): string {
		const fields = Array.from({ length: count }, () => {
			const name = this.pick(NAMES);
			return `${this.space()}${this.chance(20) ? this.quoted(name) : JSON.stringify(name)}${this.space()}:${this.pick(["", " ", this.space()])}${this.value(name, depth)}${this.space()}`;
		});
		return `{${fields.join(",")}${count === 0 ? this.space() : ""}}`;
	}

	/** A document of MongoDB, mostly with its fields in one order. */
	document(): string {
		const regular = `{"_id": ${this.chance(10) ? this.value("i") : String(this.below(1000))},"customer": ${this.quoted(this.text())},"qty": ${this.number()},"amount": {"$numberDecimal": "12.50"},"address": {"city": "Oslo","zip": ${this.below(10_000)}},"tags": ["a","b"],"at": {"$date": ${1_767_225_600_000 + this.below(1e9)}}}`;
		if (this.chance(3)) return regular;
		const names = this.chance(2) ? NAMES : this.shuffled(NAMES);
		const fields = names
			.filter(() => !this.chance(3))
			.flatMap((name) => (this.chance(20) ? [name, name] : [name]))
			.map(
				(name) =>
					`${this.chance(20) ? this.quoted(name) : JSON.stringify(name)}:${this.pick(["", " ", this.space()])}${this.value(name)}${this.space()}`,
			);
		return `{${this.space()}"_id": ${this.below(1000)}${fields.map((field) => `,${this.space()}${field}`).join("")}}`;
	}

	/** Bytes with a few of them changed, cut off or doubled. */
	damaged(bytes: Uint8Array): Uint8Array {
		const copy = Buffer.from(bytes);
		switch (this.below(4)) {
			case 0:
				return copy.subarray(0, this.below(copy.length));
			case 1: {
				const at = this.below(copy.length);
				return Buffer.concat([
					copy.subarray(0, at),
					copy.subarray(this.below(copy.length)),
				]);
			}
			case 2:
				for (let n = 1 + this.below(3); n > 0; n--)
					copy[this.below(copy.length)] = this.pick([
						0, 0x22, 0x5c, 0x7b, 0x7d, 0x2c, 0x3a, 0x30, 0xff, 0xc3, 0x5d,
					]);
				return copy;
			default:
				copy[this.below(copy.length)] = this.below(256);
				return copy;
		}
	}
}

const NAMES = [
	"a",
	"b",
	"A",
	"c.d",
	"e f",
	"$x",
	"é",
	"日本",
	"",
	"_kafka_offset",
	"_Rescued_data",
	'q"q',
	"b\\s",
	"new\nline",
	"tick`",
	"longer name of a field",
	"exactly8",
	"seven77",
	"address",
	"tags",
	"qty",
	"QTY",
	"constructor",
	"__proto__",
	"sl/ash",
	"\ud800",
];
