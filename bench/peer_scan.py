"""Scans columns of a Delta table with delta-rs and pyarrow: count, sum of numbers, bytes of text.

peer_scan.py TABLE COLUMN…
"""

import json
import os
import resource
import sys
import time

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

table, *columns = sys.argv[1:]
base = resource.getrusage(resource.RUSAGE_SELF)
started = time.perf_counter()

data = DeltaTable(table).to_pyarrow_dataset().to_table(columns=columns)
total = 0
for name in columns:
    column = data.column(name)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.binary_length(column)
    total += pc.sum(column).as_py()

seconds = time.perf_counter() - started
used = resource.getrusage(resource.RUSAGE_SELF)
cpu = used.ru_utime + used.ru_stime - base.ru_utime - base.ru_stime
print(
    json.dumps(
        {
            "rows": data.num_rows,
            "sum": str(total),
            "seconds": seconds,
            "cpuSeconds": cpu,
            "peakRssMB": used.ru_maxrss / 1000,
            "baseRssMB": base.ru_maxrss / 1000,
        }
    ),
    flush=True,
)
# Leaving in the ordinary way sometimes ends in an abort of Arrow's threads.
os._exit(0)
