"""The usual service for a mirror: parse each message with json, make an Arrow table of a batch, MERGE with delta-rs."""

import datetime
import json
import resource
import sys
import time

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

BATCH = 50_000


def plain(value):
    if isinstance(value, dict):
        if "$oid" in value:
            return value["$oid"]
        if "$date" in value:
            return datetime.datetime.fromtimestamp(value["$date"] / 1000, datetime.timezone.utc)
        if "$numberLong" in value:
            return int(value["$numberLong"])
        if "$numberDecimal" in value:
            return value["$numberDecimal"]
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def batches(source):
    rows = {}
    count = 0
    with open(source, "rb") as lines:
        for line in lines:
            row = plain(json.loads(json.loads(line)["after"]))
            rows[row["_id"]] = row
            count += 1
            if count == BATCH:
                yield pa.Table.from_pylist(list(rows.values()))
                rows, count = {}, 0


def main(source, target, size):
    # The table has the columns of the messages, and in its old rows the key and one value.
    schema = next(batches(source)).schema
    for start in range(0, size, 250_000):
        count = min(250_000, size - start)
        columns = {
            "_id": [format(i, "x").rjust(24, "6") for i in range(start, start + count)],
            "quantity": [1] * count,
        }
        old = pa.table(
            [
                pa.array(columns[field.name], field.type)
                if field.name in columns
                else pa.nulls(count, field.type)
                for field in schema
            ],
            schema=schema,
        )
        write_deltalake(target, old, mode="append")
    table = DeltaTable(target)
    started, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    for batch in batches(source):
        (
            table.merge(batch, "t._id = s._id", source_alias="s", target_alias="t")
            .when_matched_update_all()
            .when_not_matched_insert_all()
            .execute()
        )
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "cpuSeconds": usage.ru_utime + usage.ru_stime - cpu.ru_utime - cpu.ru_stime,
                "peakRss": usage.ru_maxrss * 1024,
            }
        )
    )


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
