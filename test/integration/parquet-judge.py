"""Reads Parquet files with other engines, and writes them in ways that our encoder doesn't.

dump pyarrow|duckdb FILE       rows as JSON lines, losslessly
dump delta-rs TABLE            the same of a table, by delta-rs's own engine, in any order
rewrite FILE OUT OPTIONS       OPTIONS: JSON, arguments of pyarrow.parquet.write_table
metadata FILE                  row groups and column chunks as JSON
probe FILE COLUMN VALUES       VALUES: SQL literals as JSON; per value the row groups whose Bloom filter,
                               as DuckDB reads it, excludes it
query FILE SQL                 rows of a query on the view f of the file, by DuckDB
bloom OUT SQL                  the query's rows as a file of DuckDB's, which writes Bloom filters
"""

import json
import struct
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder


def plain(scalar):
    """Integers as text, floats as their bits, timestamps in µs, dates in days."""
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if pa.types.is_boolean(kind):
        return scalar.as_py()
    if pa.types.is_integer(kind):
        return str(scalar.as_py())
    if pa.types.is_floating(kind):
        return "bits:" + struct.pack(">d", scalar.as_py()).hex()
    if pa.types.is_decimal(kind):
        sign, digits, exponent = scalar.as_py().as_tuple()
        unscaled = int("".join(map(str, digits))) * 10 ** (exponent + kind.scale)
        return f"{-unscaled if sign else unscaled}e-{kind.scale}"
    if pa.types.is_timestamp(kind):
        if kind.unit != "us":
            raise ValueError(f"unexpected {kind}")
        return f"{scalar.value}us{'Z' if kind.tz else ''}"
    if pa.types.is_date(kind):
        return f"{scalar.value}d"
    if kind in (pa.string(), pa.large_string(), pa.string_view()):
        return "text:" + scalar.as_py()
    if kind in (pa.binary(), pa.large_binary(), pa.binary_view()):
        return "hex:" + scalar.as_py().hex()
    if pa.types.is_struct(kind):
        return {name: plain(value) for name, value in scalar.items()}
    if pa.types.is_map(kind):
        return [[plain(entry["key"]), plain(entry["value"])] for entry in scalar.values]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [plain(value) for value in scalar.values]
    raise ValueError(f"unexpected {kind}")


def read(engine, file):
    if engine == "pyarrow":
        return pq.read_table(file, use_threads=False)
    if engine == "delta-rs":
        table = QueryBuilder().register("t", DeltaTable(file))
        return pa.table(table.execute("SELECT * FROM t"))
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    return connection.execute(
        "SELECT * FROM read_parquet(?)", [file]
    ).to_arrow_table()


def dump(engine, file):
    table = read(engine, file)
    columns = [
        [plain(value) for value in table.column(name)] for name in table.column_names
    ]
    for row in zip(*columns):
        print(json.dumps(dict(zip(table.column_names, row)), ensure_ascii=False))


def metadata(file):
    footer = pq.ParquetFile(file).metadata
    groups = []
    for g in range(footer.num_row_groups):
        group = footer.row_group(g)
        columns = []
        for c in range(group.num_columns):
            chunk = group.column(c)
            stats = chunk.statistics
            columns.append(
                {
                    "path": chunk.path_in_schema,
                    "encodings": list(chunk.encodings),
                    "codec": chunk.compression,
                    "nulls": None if stats is None else stats.null_count,
                    "hasBounds": stats is not None and stats.has_min_max,
                    "min": str(stats.min) if stats and stats.has_min_max else None,
                    "max": str(stats.max) if stats and stats.has_min_max else None,
                    "columnIndex": chunk.has_column_index,
                    "offsetIndex": chunk.has_offset_index,
                }
            )
        groups.append({"rows": group.num_rows, "columns": columns})
    print(json.dumps(groups))


def probe(file, column, values):
    connection = duckdb.connect()
    print(
        json.dumps(
            [
                connection.execute(
                    "SELECT row_group_id FROM parquet_bloom_probe(?, ?, "
                    f"{value}) WHERE bloom_filter_excludes ORDER BY 1",
                    [file, column],
                ).fetchall()
                for value in json.loads(values)
            ]
        )
    )


def query(file, sql):
    connection = duckdb.connect()
    connection.execute(f"CREATE VIEW f AS SELECT * FROM read_parquet('{file}')")
    print(json.dumps(connection.execute(sql).fetchall()))


def bloom(out, query):
    duckdb.connect().execute(
        f"COPY ({query}) TO '{out}' (FORMAT parquet, ROW_GROUP_SIZE 2048)"
    )


command, *arguments = sys.argv[1:]
if command == "dump":
    dump(*arguments)
elif command == "rewrite":
    source, target, options = arguments
    pq.write_table(pq.read_table(source), target, **json.loads(options))
elif command == "metadata":
    metadata(*arguments)
elif command == "probe":
    probe(*arguments)
elif command == "query":
    query(*arguments)
elif command == "bloom":
    bloom(*arguments)
else:
    sys.exit(__doc__)
