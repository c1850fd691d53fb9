"""Opens a table with delta-rs: peer_open.py open|list PATH. Prints one line of JSON."""

import json
import re
import sys
import time

from deltalake import DeltaTable

what, path = sys.argv[1:]
wall, cpu = time.perf_counter(), time.process_time()
table = DeltaTable(path)
if what == "open":
    files = len(table.file_uris())
else:
    files = table.get_add_actions(flatten=False).num_rows
print(
    json.dumps(
        {
            "what": what,
            "files": files,
            "seconds": time.perf_counter() - wall,
            "cpuSeconds": time.process_time() - cpu,
            "peakRssMB": int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])
            / 1024,
        }
    )
)
