"""check.py [ARCHIVE]: fails unless a session opens, changes a Delta table and reads it back, without a
network; leaves an archive of the classes which that took."""

import sys
import tempfile

from spark_session import open_session

with tempfile.TemporaryDirectory() as folder:
    table = f"delta.`{folder}/table`"
    spark = open_session(folder, [f"-XX:ArchiveClassesAtExit={path}" for path in sys.argv[1:]])
    spark.range(3).write.format("delta").save(f"{folder}/table")
    spark.sql(f"DELETE FROM {table} WHERE id = 1")
    if sys.argv[1:]:
        spark.sql(f"UPDATE {table} SET id = 5 WHERE id = 2")
        spark.sql(
            f"MERGE INTO {table} t USING (SELECT 5L AS id) s ON s.id = t.id "
            "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        )
        spark.sql(f"OPTIMIZE {table}")
    assert spark.read.format("delta").load(f"{folder}/table").count() == 2
    java = spark.sparkContext._gateway
    spark.stop()
    # The archive is written when the JVM ends, which it does once it hears nothing any more.
    java.shutdown()
    java.proc.stdin.close()
    java.proc.wait()
