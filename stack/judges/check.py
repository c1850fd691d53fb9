"""Fails unless the judges load without a network."""

import deltalake  # noqa: F401
import duckdb
import duckdb_extension_delta
import pathlib
import pyarrow.parquet  # noqa: F401

folder = pathlib.Path(duckdb_extension_delta.__file__).parent
[extension] = folder.glob("extensions/*/delta.duckdb_extension")
duckdb.connect().execute(f"LOAD '{extension}'")
