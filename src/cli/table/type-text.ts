import type { DataType, StructField } from "../../columnar/types.ts";

/** A column as `table create --schema` takes it: `price decimal(10,2) not null comment 'net'`. */
export function columnText(field: StructField): string {
	return memberText(field, " ");
}

/** A type as `table create --schema` takes it, such as `array<struct<city: string>>`. */
export function typeText(type: DataType): string {
	if (typeof type === "string") return type === "integer" ? "int" : type;
	switch (type.type) {
		case "struct":
			return `struct<${type.fields.map((field) => memberText(field, ": ")).join(", ")}>`;
		case "array":
			return `array<${typeText(type.elementType)}>`;
		case "map":
			return `map<${typeText(type.keyType)}, ${typeText(type.valueType)}>`;
	}
}

export function nameText(name: string): string {
	return /^[\p{L}_][\p{L}\p{N}_]*$/u.test(name)
		? name
		: `\`${name.replaceAll("`", "``")}\``;
}

function memberText(field: StructField, between: string): string {
	const { comment } = field.metadata;
	return `${nameText(field.name)}${between}${typeText(field.type)}${field.nullable ? "" : " not null"}${
		typeof comment === "string"
			? ` comment '${comment.replaceAll("'", "''")}'`
			: ""
	}`;
}
