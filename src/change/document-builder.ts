import { BytesBuilder } from "../columnar/bytes-builder.ts";
import { Presence } from "../columnar/presence.ts";
import type { DataType } from "../columnar/types.ts";
import type { Variant } from "../columnar/variant-encode.ts";
import type { Vector } from "../columnar/vector.ts";

/** A column of whole documents: their JSON as text, or variants. */
export class DocumentBuilder {
	readonly kind = "document";
	readonly type: DataType;
	readonly presence: Presence;
	/** The text, or the value of the variant. */
	readonly #value: BytesBuilder;
	readonly #metadata: BytesBuilder | undefined;

	constructor(type: "string" | "variant") {
		this.type = type;
		this.#value = new BytesBuilder(type === "string" ? "string" : "binary");
		this.#metadata =
			type === "variant" ? new BytesBuilder("binary") : undefined;
		this.presence = type === "string" ? this.#value.presence : new Presence();
	}

	setJson(row: number, text: string): void {
		this.#value.setText(row, text);
	}

	setVariant(row: number, { metadata, value }: Variant): void {
		this.presence.mark(row);
		this.#metadata?.set(row, metadata);
		this.#value.set(row, value);
	}

	truncate(length: number): void {
		this.#value.truncate(length);
		this.#metadata?.truncate(length);
		this.presence.truncate(length);
	}

	finish(length: number): Vector {
		if (this.#metadata === undefined) return this.#value.finish(length);
		return {
			kind: "struct",
			length,
			validity: this.presence.take(length),
			children: [this.#value.finish(length), this.#metadata.finish(length)],
		};
	}
}
