declare module "snappyjs" {
	/** Throws when the input is no snappy block or would be larger than `maxLength`. */
	export function uncompress(input: Uint8Array, maxLength?: number): Uint8Array;
	export function compress(input: Uint8Array): Uint8Array;
}
