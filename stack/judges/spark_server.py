"""Spark as a judge: spark_server.py FOLDER; see wire.py for what it understands.

sql {text}                         runs one statement, answers its rows as texts
rows {view, schema, rows}          makes a temporary view of rows
read {path, version?, where?, columns?}  the table's schema and rows
explain {path, where}              the files that a scan with that filter opens
"""

import json
import os
import sys

from pyspark.sql.functions import from_json, lit

from spark_session import open_session
from wire import serve


def quoted(name):
    return "`" + name.replace("`", "``") + "`"


def to_wire(at, kind, depth=0):
    """SQL that turns a value of a type into its text, or an array of such."""
    if isinstance(kind, dict):
        inner = f"v{depth}"
        match kind["type"]:
            case "struct":
                fields = ", ".join(
                    f"'f{i}', {to_wire(at + '.' + quoted(field['name']), field['type'], depth)}"
                    for i, field in enumerate(kind["fields"])
                )
                return f"IF({at} IS NULL, NULL, named_struct({fields}))"
            case "array":
                return f"transform({at}, {inner} -> {to_wire(inner, kind['elementType'], depth + 1)})"
            case "map":
                key = to_wire(f"{inner}.key", kind["keyType"], depth + 1)
                value = to_wire(f"{inner}.value", kind["valueType"], depth + 1)
                return f"transform(map_entries({at}), {inner} -> named_struct('k', {key}, 'v', {value}))"
    match kind:
        case "timestamp":
            return f"CAST(unix_micros({at}) AS STRING)"
        case "timestamp_ntz":
            return f"CAST(unix_micros(CAST({at} AS TIMESTAMP)) AS STRING)"
        case "date":
            return f"CAST(unix_date({at}) AS STRING)"
        case "binary":
            return f"lower(hex({at}))"
        case "float":
            return f"CAST(CAST({at} AS DOUBLE) AS STRING)"
        case "variant":
            return f"to_json({at})"
        case "void":
            return "CAST(NULL AS STRING)"
        case _:
            return f"CAST({at} AS STRING)"


def wire_type(kind):
    """The type that texts are parsed as before they become values."""
    if isinstance(kind, dict):
        match kind["type"]:
            case "struct":
                fields = ", ".join(
                    f"f{i}: {wire_type(field['type'])}"
                    for i, field in enumerate(kind["fields"])
                )
                return f"STRUCT<{fields}>"
            case "array":
                return f"ARRAY<{wire_type(kind['elementType'])}>"
            case "map":
                return f"ARRAY<STRUCT<k: {wire_type(kind['keyType'])}, v: {wire_type(kind['valueType'])}>>"
    return "STRING"


def from_wire(at, kind, depth=0):
    if isinstance(kind, dict):
        inner = f"v{depth}"
        match kind["type"]:
            case "struct":
                fields = ", ".join(
                    f"'{field['name']}', {from_wire(f'{at}.f{i}', field['type'], depth)}"
                    for i, field in enumerate(kind["fields"])
                )
                return f"IF({at} IS NULL, NULL, named_struct({fields}))"
            case "array":
                return f"transform({at}, {inner} -> {from_wire(inner, kind['elementType'], depth + 1)})"
            case "map":
                key = from_wire(f"{inner}.k", kind["keyType"], depth + 1)
                value = from_wire(f"{inner}.v", kind["valueType"], depth + 1)
                return f"map_from_entries(transform({at}, {inner} -> struct({key} AS key, {value} AS value)))"
    match kind:
        case "timestamp":
            return f"timestamp_micros(CAST({at} AS BIGINT))"
        case "timestamp_ntz":
            return f"CAST(timestamp_micros(CAST({at} AS BIGINT)) AS TIMESTAMP_NTZ)"
        case "date":
            return f"date_from_unix_date(CAST({at} AS INT))"
        case "binary":
            return f"unhex({at})"
        case "float":
            return f"CAST(CAST({at} AS DOUBLE) AS FLOAT)"
        case "variant":
            return f"parse_json({at})"
        case "string":
            return at
        case "long":
            return f"CAST({at} AS BIGINT)"
        case "integer":
            return f"CAST({at} AS INT)"
        case "short":
            return f"CAST({at} AS SMALLINT)"
        case "byte":
            return f"CAST({at} AS TINYINT)"
        case _:
            return f"CAST({at} AS {kind})"


def parsed(text, kind):
    """Spark's JSON of a row, structs as objects in order, as arrays."""
    if text is None or not isinstance(kind, dict):
        return text
    match kind["type"]:
        case "struct":
            return [
                parsed(value, field["type"])
                for value, field in zip(text.values(), kind["fields"], strict=True)
            ]
        case "array":
            return [parsed(item, kind["elementType"]) for item in text]
        case _:
            return [
                [parsed(e["k"], kind["keyType"]), parsed(e["v"], kind["valueType"])]
                for e in text
            ]


def positional(value, kind):
    """The other way: what from_json reads as the type of wire_type."""
    if value is None or not isinstance(kind, dict):
        return value
    match kind["type"]:
        case "struct":
            return {
                f"f{i}": positional(inner, field["type"])
                for i, (inner, field) in enumerate(
                    zip(value, kind["fields"], strict=True)
                )
            }
        case "array":
            return [positional(item, kind["elementType"]) for item in value]
        case _:
            return [
                {
                    "k": positional(k, kind["keyType"]),
                    "v": positional(v, kind["valueType"]),
                }
                for k, v in value
            ]


class Spark:
    def __init__(self, folder):
        self.folder = folder

    def ready(self):
        self.session = open_session(self.folder)
        return self.session.version

    def sql(self, text):
        return [
            [None if value is None else str(value) for value in row]
            for row in self.session.sql(text).collect()
        ]

    def rows(self, view, schema, rows):
        # As a literal: rows of Python's would take a Python worker to turn into Spark's.
        text = json.dumps([positional(row, schema) for row in rows])
        texts = (
            self.session.range(0, 1, 1, 1)
            .select(from_json(lit(text), lit(f"ARRAY<{wire_type(schema)}>")).alias("all"))
            .selectExpr("inline(all)")
        )
        columns = [
            f"{from_wire(f'f{i}', field['type'])} AS {quoted(field['name'])}"
            for i, field in enumerate(schema["fields"])
        ]
        texts.selectExpr(*columns).createOrReplaceTempView(view)

    def frame(self, path, version=None, where=None):
        reader = self.session.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        table = reader.load(path)
        return table if where is None else table.where(where)

    def read(self, path, version=None, where=None, columns=None):
        table = self.frame(path, version, where)
        if columns is not None:
            table = table.select(*map(quoted, columns))
        schema = json.loads(table.schema.json())
        wire = to_wire_row(schema)
        lines = table.selectExpr(f"to_json({wire}, map('ignoreNullFields', 'false')) AS row")
        return {
            "schema": schema,
            "rows": [parsed(json.loads(row.row), schema) for row in lines.collect()],
        }

    def changes(self, path, first, last):
        """The change data feed of versions `first` to `last`."""
        reader = self.session.read.format("delta").option("readChangeFeed", "true")
        table = reader.option("startingVersion", first).option("endingVersion", last).load(path)
        schema = json.loads(table.schema.json())
        lines = table.selectExpr(
            f"to_json({to_wire_row(schema)}, map('ignoreNullFields', 'false')) AS row"
        )
        return {
            "schema": schema,
            "rows": [parsed(json.loads(row.row), schema) for row in lines.collect()],
        }

    def explain(self, path, where=None, version=None):
        return sorted(map(os.path.basename, self.frame(path, version, where).inputFiles()))


def to_wire_row(schema):
    fields = ", ".join(
        f"'f{i}', {to_wire(quoted(field['name']), field['type'])}"
        for i, field in enumerate(schema["fields"])
    )
    return f"named_struct({fields})"


if __name__ == "__main__":
    judge = Spark(sys.argv[1])
    serve(
        {
            "sql": judge.sql,
            "rows": judge.rows,
            "read": judge.read,
            "changes": judge.changes,
            "explain": judge.explain,
        },
        judge.ready,
    )
