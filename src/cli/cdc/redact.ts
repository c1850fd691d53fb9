import { redactUris } from "../../observe/log.ts";

export const MASK = "***";

/** Takes secrets out of text and out of objects; everything that leaves in a report goes through it. */
export interface Redactor {
	text(text: string): string;
	/** A copy; keys stay, values of keys that name a secret go. */
	object(value: unknown): unknown;
}

/** Names whose values are secrets; references to Secrets and names of them are none. */
const SECRET_NAME =
	/pass(word|wd|phrase)|secret|token|credential|jaas|private|api.?key|access.?key|connection\.string|authorization|certificates/i;
const REFERENCE =
	/(ref|name|names|endpoint\.url|automountServiceAccountToken)$/i;

export function namesSecret(name: string): boolean {
	return SECRET_NAME.test(name) && !REFERENCE.test(name);
}

/** Keys of Secrets whose values tell nothing that is worth hiding. */
export const PUBLIC_KEYS: readonly string[] = [
	"AWS_REGION",
	"AWS_ENDPOINT_URL",
	"AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
	"mechanism",
	"scope",
	"token.endpoint.url",
];

/** Shorter values would mask half of every text. */
const SHORTEST = 4;

/**
 * @param secrets - values that are known to be secret; each is masked however it is written: as it is, in a
 * URI, in JSON, in Base64, and the password of a URI alone
 */
export function createRedactor(secrets: Iterable<string>): Redactor {
	const known = new Set<string>();
	for (const secret of secrets)
		for (const form of forms(secret)) known.add(form);
	// The longest first: one may hold another.
	const values = [...known]
		.filter((value) => value.length >= SHORTEST)
		.sort((a, b) => b.length - a.length);

	function text(given: string): string {
		let out = given;
		for (const value of values) out = out.replaceAll(value, MASK);
		out = redactUris(out);
		for (const [pattern, mask] of PATTERNS) out = out.replace(pattern, mask);
		return out;
	}

	function object(value: unknown, name = ""): unknown {
		if (typeof value === "string")
			return value !== "" && namesSecret(name) ? MASK : text(value);
		if (Array.isArray(value)) return value.map((item) => object(item, name));
		if (typeof value !== "object" || value === null) return value;
		const entries = Object.entries(value);
		// An environment variable has its name in a field.
		const own = entries.find(([key]) => key === "name")?.[1];
		return Object.fromEntries(
			entries.map(([key, item]) => [
				key,
				object(item, key === "value" && typeof own === "string" ? own : key),
			]),
		);
	}

	return { text, object: (value) => object(value) };
}

function forms(secret: string): string[] {
	const given = secret.trim();
	const password = /:\/\/[^:/@]*:([^@/]+)@/.exec(given)?.[1];
	const plain = [
		given,
		...given.split("\n").filter((line) => !line.startsWith("-----")),
		...(password === undefined ? [] : [password, decoded(password)]),
	];
	return plain.flatMap((one) => [
		one,
		encodeURIComponent(one),
		JSON.stringify(one).slice(1, -1),
		Buffer.from(one).toString("base64"),
		Buffer.from(secret).toString("base64"),
	]);
}

function decoded(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

/** What secrets look like where their values are not known. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
	[/-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]*?(-----END \1-----|$)/g, MASK],
	[/\b(Bearer|Basic)\s+[A-Za-z0-9+/._~=-]{6,}/gi, `$1 ${MASK}`],
	[/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g, MASK],
	[/\b(AKIA|ASIA)[A-Z0-9]{12,}\b/g, MASK],
	[
		/((?:password|passwd|secret|token|api[-_]?key|access[-_]?key(?:[-_]?id)?)\\?["']?\s*[:=]\s*\\?["']?)(?!\*\*\*)[^\s"'\\,;&}]+/gi,
		`$1${MASK}`,
	],
];
