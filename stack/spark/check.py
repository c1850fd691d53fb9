"""Fails unless a session opens, writes a Delta table and reads it back, without a network."""

import tempfile

from spark_session import open_session

with tempfile.TemporaryDirectory() as folder:
    spark = open_session(folder)
    spark.range(3).write.format("delta").save(f"{folder}/table")
    spark.sql(f"DELETE FROM delta.`{folder}/table` WHERE id = 1")
    assert spark.read.format("delta").load(f"{folder}/table").count() == 2
    spark.stop()
