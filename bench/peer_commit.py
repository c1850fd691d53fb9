"""Appends of one row by delta-rs, each a commit: peer_commit.py LOCATION COUNT, storage options in PEER_OPTIONS."""

import json
import os
import resource
import sys
import time

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake


def main(location, count):
    options = json.loads(os.environ["PEER_OPTIONS"])
    data = pa.table({"id": pa.array([1], pa.int64()), "name": ["x"], "amount": [1.5]})
    if not DeltaTable.is_deltatable(location, storage_options=options):
        write_deltalake(location, data, mode="append", storage_options=options)
    # A table that is kept open is quicker than a location that is opened for every append.
    table = DeltaTable(location, storage_options=options)
    write_deltalake(table, data, mode="append")
    print("ready", flush=True)
    sys.stdin.readline()
    started, cpu, errors = time.perf_counter(), time.process_time(), 0
    for _ in range(count):
        while True:
            try:
                write_deltalake(table, data, mode="append")
                break
            except Exception:
                errors += 1
                table = DeltaTable(location, storage_options=options)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "cpuSeconds": time.process_time() - cpu,
                "peakRss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "errors": errors,
            }
        )
    )


main(sys.argv[1], int(sys.argv[2]))
