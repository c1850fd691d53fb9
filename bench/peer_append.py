"""The usual service: parse each message with json, make an Arrow table of a batch, append with delta-rs."""

import datetime
import json
import resource
import sys
import time

import pyarrow as pa
from deltalake import write_deltalake

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


def main(source, target):
    started, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    rows = []
    with open(source, "rb") as lines:
        for offset, line in enumerate(lines):
            event = json.loads(line)
            event = event.get("payload", event)
            after = event["after"]
            # MongoDB's documents are texts inside the message.
            row = plain(json.loads(after)) if isinstance(after, str) else after
            row["_cdc_operation"] = event["op"]
            row["_cdc_timestamp"] = event["source"]["ts_ms"]
            row["_kafka_offset"] = offset
            rows.append(row)
            if len(rows) == BATCH:
                write_deltalake(target, pa.Table.from_pylist(rows), mode="append")
                rows = []
    if rows:
        write_deltalake(target, pa.Table.from_pylist(rows), mode="append")
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


main(sys.argv[1], sys.argv[2])
