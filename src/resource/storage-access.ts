import { needSecret, type SecretReader } from "./kafka-access.ts";
import { STORAGE_KEYS } from "./secrets.ts";

/**
 * The values of a Secret with storage credentials, by their names.
 * @throws ConfigError naming the Secret and the key that is missing
 */
export function storageValues(
	name: string,
	secret: SecretReader,
	field: string,
): Readonly<Record<string, string | undefined>> {
	for (const key of STORAGE_KEYS.required) needSecret(secret, name, key, field);
	return Object.fromEntries(
		[...STORAGE_KEYS.required, ...STORAGE_KEYS.optional].map((key) => [
			key,
			secret(name, key),
		]),
	);
}
