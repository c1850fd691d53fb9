"""Other implementations of Delta Lake: judge.py read ENGINE FOLDER | write FOLDER.

read prints each row as a JSON object; write makes a table of rows 0 to 999, some of them deleted and
updated, with a checkpoint in the middle of its log. Timestamps are microseconds, dates are days since
1970, decimals and binaries are texts.
"""

import datetime
import decimal
import json
import math
import pathlib
import sys

import deltalake
import duckdb
import duckdb_extension_delta
import pyarrow

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def plain(value):
    match value:
        case datetime.datetime():
            at = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
            return (at - EPOCH) // datetime.timedelta(microseconds=1)
        case datetime.date():
            return (value - EPOCH.date()).days
        case decimal.Decimal():
            return str(value)
        case bytes():
            return value.hex()
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case _:
            return value


def read_duckdb(folder):
    connection = duckdb.connect()
    packaged = pathlib.Path(duckdb_extension_delta.__file__).parent
    [extension] = packaged.glob("extensions/*/delta.duckdb_extension")
    connection.execute(f"LOAD '{extension}'")
    connection.execute("SET TimeZone = 'UTC'")
    return connection.execute("SELECT * FROM delta_scan(?)", [folder]).to_arrow_table()


def read_deltars(folder):
    table = deltalake.DeltaTable(folder)
    builder = deltalake.QueryBuilder().register("judged", table)
    return pyarrow.table(builder.execute("SELECT * FROM judged").read_all())


def rows(first, last, words):
    numbers = range(first, last)
    return pyarrow.table(
        {
            "id": pyarrow.array(numbers, pyarrow.int64()),
            "word": pyarrow.array([f"{words}-{n}" if n % 5 else None for n in numbers]),
            "part": pyarrow.array([f"part {n % 3}" for n in numbers]),
            "price": pyarrow.array(
                [decimal.Decimal(n) / 100 for n in numbers], pyarrow.decimal128(18, 2)
            ),
            "at": pyarrow.array(
                [EPOCH + datetime.timedelta(seconds=n, microseconds=7) for n in numbers],
                pyarrow.timestamp("us", "UTC"),
            ),
            "day": pyarrow.array(
                [EPOCH.date() + datetime.timedelta(days=n) for n in numbers]
            ),
            "inner": pyarrow.array(
                [{"real": n / 8, "list": [n, n + 1]} for n in numbers],
                pyarrow.struct(
                    [("real", pyarrow.float64()), ("list", pyarrow.list_(pyarrow.int32()))]
                ),
            ),
        }
    )


def write(folder):
    for first in range(0, 800, 200):
        deltalake.write_deltalake(
            folder, rows(first, first + 200, "word"), mode="append", partition_by=["part"]
        )
    table = deltalake.DeltaTable(folder)
    table.delete("id % 10 = 3")
    table.create_checkpoint()
    deltalake.write_deltalake(folder, rows(800, 1000, "late"), mode="append")
    table = deltalake.DeltaTable(folder)
    table.update(predicate="id = 900", updates={"word": "'changed'"})


match sys.argv[1:]:
    case ["read", engine, folder]:
        read = {"delta-rs": read_deltars, "DuckDB": read_duckdb}[engine]
        for row in read(folder).to_pylist():
            print(json.dumps(plain(row)))
    case ["write", folder]:
        write(folder)
    case _:
        sys.exit(__doc__)
