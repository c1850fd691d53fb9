"""delta-rs and DuckDB as judges: see wire.py for what they understand.

create {path, schema, partition_by, configuration}
write {path, schema, rows, mode, schema_mode?}   appends or overwrites
merge {path, schema, rows}                       by id: thirds are deleted, others updated or inserted
delete {path, predicate}, update {path, updates, predicate}, restore {path, version}
compact, z_order, checkpoint, compact_logs, vacuum {path}
vacuum_list {path, hours}                        what a full vacuum would delete
add_column {path, field}, add_constraint {path, name, expression}, set_properties {path, properties}
read {path, version?, where?, columns?, engine?}   engine: delta-rs or DuckDB
changes {path, first, last}                      the change data feed
"""

import datetime
import decimal
import functools
import json
import pathlib

import deltalake
import duckdb
import duckdb_extension_delta
import pyarrow as pa
from deltalake import DeltaTable, Field, QueryBuilder, Schema, write_deltalake

from wire import serve

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def to_wire(array):
    """Texts for the values of an Arrow array."""
    if isinstance(array, pa.ChunkedArray):
        return [value for chunk in array.chunks for value in to_wire(chunk)]
    kind = array.type
    valid = array.is_valid().to_pylist()
    if pa.types.is_struct(kind):
        # flatten() puts the struct's nulls into its fields.
        parts = [to_wire(part) for part in array.flatten()]
        rows = list(zip(*parts)) if parts else [()] * len(array)
        return [list(row) if there else None for row, there in zip(rows, valid)]
    if pa.types.is_map(kind):
        keys, items = to_wire(array.keys), to_wire(array.items)
        pairs = [list(pair) for pair in zip(keys, items)]
        return cut(pairs, array, valid)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return cut(to_wire(array.values), array, valid)
    if pa.types.is_timestamp(kind):
        whole = array.cast(pa.timestamp("us", kind.tz)).cast(pa.int64())
        return [None if value is None else str(value) for value in whole.to_pylist()]
    if pa.types.is_date(kind):
        whole = array.cast(pa.date32()).cast(pa.int32())
        return [None if value is None else str(value) for value in whole.to_pylist()]
    if pa.types.is_dictionary(kind):
        return to_wire(array.dictionary_decode())
    return [text_of(value) for value in array.to_pylist()]


def cut(values, array, valid):
    offsets = array.offsets.to_pylist()
    return [
        values[offsets[i] : offsets[i + 1]] if there else None
        for i, there in enumerate(valid)
    ]


def text_of(value):
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value).replace("inf", "Infinity").replace("nan", "NaN")
        case decimal.Decimal():
            return format(value, "f")
        case bytes():
            return value.hex()
        case _:
            return str(value)


def from_wire(text, kind):
    """A Python value that Arrow takes for the type."""
    if text is None:
        return None
    if isinstance(kind, dict):
        match kind["type"]:
            case "struct":
                return {
                    field["name"]: from_wire(inner, field["type"])
                    for field, inner in zip(kind["fields"], text, strict=True)
                }
            case "array":
                return [from_wire(item, kind["elementType"]) for item in text]
            case _:
                return [
                    (from_wire(k, kind["keyType"]), from_wire(v, kind["valueType"]))
                    for k, v in text
                ]
    match kind:
        case "string":
            return text
        case "boolean":
            return text == "true"
        case "binary":
            return bytes.fromhex(text)
        case "float" | "double":
            return float(text)
        case "date":
            return EPOCH.date() + datetime.timedelta(days=int(text))
        case "timestamp":
            return EPOCH + datetime.timedelta(microseconds=int(text))
        case "timestamp_ntz":
            return (EPOCH + datetime.timedelta(microseconds=int(text))).replace(tzinfo=None)
        case "long" | "integer" | "short" | "byte":
            return int(text)
        case _:
            return decimal.Decimal(text)


def arrow_schema(schema):
    return pa.schema(Schema.from_json(json.dumps(schema)).to_arrow())


def table_of(schema, rows):
    fields = arrow_schema(schema)
    columns = [
        pa.array([from_wire(row[i], field["type"]) for row in rows], fields.field(i).type)
        for i, field in enumerate(schema["fields"])
    ]
    return pa.table(columns, schema=fields)


def create(path, schema, partition_by, configuration):
    DeltaTable.create(
        path,
        Schema.from_json(json.dumps(schema)),
        partition_by=partition_by or None,
        configuration=configuration,
    )


def write(path, schema, rows, mode, schema_mode=None, predicate=None):
    write_deltalake(
        path, table_of(schema, rows), mode=mode, schema_mode=schema_mode, predicate=predicate
    )


def merge(path, schema, rows):
    (
        DeltaTable(path)
        .merge(table_of(schema, rows), "t.id = s.id", source_alias="s", target_alias="t")
        .when_matched_delete("s.id % 3 = 0")
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )


@functools.cache
def duckdb_connection():
    connection = duckdb.connect()
    packaged = pathlib.Path(duckdb_extension_delta.__file__).parent
    [extension] = packaged.glob("extensions/*/delta.duckdb_extension")
    connection.execute(f"LOAD '{extension}'")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def duckdb_table(path, version, where, columns):
    source = "delta_scan(?)" if version is None else f"delta_scan(?, version => {version})"
    text = query(source, where, columns)
    return duckdb_connection().execute(text, [path]).to_arrow_table()


def query(source, where, columns):
    names = "*" if columns is None else ", ".join(map(quoted, columns))
    return f"SELECT {names} FROM {source}" + ("" if where is None else f" WHERE {where}")


def read(path, version=None, where=None, columns=None, engine="delta-rs"):
    table = DeltaTable(path, version=version)
    if engine == "DuckDB":
        rows = duckdb_table(path, version, where, columns)
    else:
        builder = QueryBuilder().register("judged", table)
        rows = pa.table(builder.execute(query("judged", where, columns)).read_all())
    schema = json.loads(table.schema().to_json())
    if columns is not None:
        fields = {field["name"]: field for field in schema["fields"]}
        schema["fields"] = [fields[name] for name in columns]
    return answer(rows.select([field["name"] for field in schema["fields"]]), schema)


def answer(rows, schema):
    columns = [to_wire(column) for column in rows.columns]
    return {"schema": schema, "rows": [list(row) for row in zip(*columns)]}


def changes(path, first, last):
    rows = pa.table(
        DeltaTable(path).load_cdf(starting_version=first, ending_version=last).read_all()
    )
    return answer(rows, json.loads(Schema.from_arrow(rows.schema).to_json()))


COMMANDS = {
    "create": create,
    "write": write,
    "merge": merge,
    "read": read,
    "changes": changes,
    "delete": lambda path, predicate: DeltaTable(path).delete(predicate) and None,
    "update": lambda path, updates, predicate: DeltaTable(path).update(
        updates=updates, predicate=predicate
    )
    and None,
    "restore": lambda path, version: DeltaTable(path).restore(version) and None,
    "compact": lambda path: DeltaTable(path).optimize.compact() and None,
    "z_order": lambda path, columns: DeltaTable(path).optimize.z_order(columns) and None,
    "checkpoint": lambda path: DeltaTable(path).create_checkpoint(),
    "compact_logs": lambda path, first, last: DeltaTable(path).compact_logs(first, last),
    "vacuum": lambda path: DeltaTable(path).vacuum(
        retention_hours=0, dry_run=False, enforce_retention_duration=False
    )
    and None,
    "vacuum_list": lambda path, hours: DeltaTable(path).vacuum(
        retention_hours=hours, dry_run=True, enforce_retention_duration=False, full=True
    ),
    "add_column": lambda path, field: DeltaTable(path).alter.add_columns(
        Field.from_json(json.dumps(field))
    ),
    "add_constraint": lambda path, name, expression: DeltaTable(path).alter.add_constraint(
        {name: expression}
    ),
    "set_properties": lambda path, properties: DeltaTable(path).alter.set_table_properties(
        properties
    ),
}

if __name__ == "__main__":
    serve(COMMANDS, lambda: deltalake.__version__)
