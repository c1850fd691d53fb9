"""Appends the rows of a Parquet file to a new Delta table with delta-rs: peer_write.py SOURCE FOLDER. Prints one line of JSON."""

import json
import re
import sys
import time

import pyarrow.parquet as pq
from deltalake import DeltaTable, WriterProperties, write_deltalake

source, folder = sys.argv[1:]
data = pq.read_table(source)


def memory(what):
    with open("/proc/self/status") as status:
        return int(re.search(what + r":\s+(\d+)", status.read())[1]) / 1024


before = memory("VmRSS")
wall, cpu = time.perf_counter(), time.process_time()
write_deltalake(
    folder,
    data,
    mode="append",
    writer_properties=WriterProperties(compression="ZSTD", compression_level=1),
)
result = {
    "seconds": time.perf_counter() - wall,
    "cpuSeconds": time.process_time() - cpu,
    "peakRssMB": memory("VmHWM"),
    "startRssMB": before,
    "bytes": sum(DeltaTable(folder).get_add_actions(flatten=True)["size_bytes"].to_pylist()),
}
print(json.dumps(result))
