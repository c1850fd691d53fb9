#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
need_java
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || unavailable "install Python 3.10 or newer: Spark is driven from it"
build() {
	python3 -m venv "$OUT" || unavailable "python3 -m venv failed: install python3-venv"
	retry "$OUT/bin/python" -m pip install -q --no-input --disable-pip-version-check --no-deps --require-hashes -r "$STACK/spark/requirements.txt" >&2 ||
		unavailable "pip could not get PySpark; its messages are above"
	"$OUT/bin/python" -m pip check >/dev/null
	copy_dependencies "$STACK/spark/pom.xml" "$OUT/jars" || unavailable "Maven could not get Delta's jars; its messages are above"
	expect_files 2 "$OUT"/jars/*.jar
	PYTHONPATH="$STACK/judges" PYTHONDONTWRITEBYTECODE=1 "$OUT/bin/python" "$STACK/spark/check.py" 2>"$OUT/check.log" || {
		cat "$OUT/check.log" >&2
		return 1
	}
	rm "$OUT/check.log"
	# Its scripts name the folder it was made in; the interpreter does not, so only that is kept.
	find "$OUT/bin" -type f -delete
}
provide spark 4.2.0-4.4.0 "$STACK"/spark/{pom.xml,requirements.txt,check.py} "$STACK/judges/spark_session.py" -- build
