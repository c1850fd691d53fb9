"""The one Spark session: two threads, a heap of 1 GB, nothing that listens to the outside."""

import pathlib
import sys

from pyspark.sql import SparkSession

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.databricks.delta.vacuum.parallelDelete.enabled": "false",
}
# A query over a hundred rows takes longer to compile than to interpret.
SMALL = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.catalogImplementation": "in-memory",
    # How long a result waits for its reader; the reader's own is in the environment of the process.
    "spark.python.authenticate.socketTimeout": "120s",
    }
# Short runs on few cores: what is compiled well costs more than it gives back.
JAVA = ["-Duser.timezone=UTC", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:cds=off"]
# Spark's classes, loaded and checked when it was installed: most of what opening a session takes.
ARCHIVE = pathlib.Path(sys.prefix).resolve() / "spark.jsa"


def open_session(folder, java=()):
    """`folder` holds what Spark keeps for itself: the default warehouse and its scratch files."""
    options = [*JAVA, *java]
    if ARCHIVE.exists():
        options.append(f"-XX:SharedArchiveFile={ARCHIVE}")
    builder = (
        SparkSession.builder.master("local[2]")
        .appName("judge")
        .config("spark.driver.extraJavaOptions", " ".join(options))
        .config("spark.local.dir", str(folder))
        .config("spark.sql.warehouse.dir", str(pathlib.Path(folder) / "warehouse"))
    )
    for name, value in {**DELTA, **SMALL}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session
