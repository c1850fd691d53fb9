#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
need_java
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || unavailable "install Python 3.10 or newer: Spark is driven from it"
# check HOME [ARCHIVE]
check() {
	local log
	log=$(mktemp)
	PYTHONPATH="$STACK/judges" PYTHONDONTWRITEBYTECODE=1 "$1/bin/python" "$STACK/spark/check.py" "${@:2}" >"$log" 2>&1 || {
		cat "$log" >&2
		rm "$log"
		return 1
	}
	rm "$log"
}
build() {
	python3 -m venv "$OUT" || unavailable "python3 -m venv failed: install python3-venv"
	retry "$OUT/bin/python" -m pip install -q --no-input --disable-pip-version-check --no-deps --require-hashes -r "$STACK/spark/requirements.txt" >&2 ||
		unavailable "pip could not get PySpark; its messages are above"
	"$OUT/bin/python" -m pip check >/dev/null
	copy_dependencies "$STACK/spark/pom.xml" "$OUT/jars" || unavailable "Maven could not get Delta's jars; its messages are above"
	expect_files 2 "$OUT"/jars/*.jar
	mv "$OUT"/jars/*.jar "$OUT"/lib/python3.*/site-packages/pyspark/jars/
	rmdir "$OUT/jars"
	check "$OUT"
	# Its scripts name the folder it was made in; the interpreter does not, so only that is kept.
	find "$OUT/bin" -type f -delete
}
provide spark 4.2.0-4.4.0 "$STACK"/spark/{pom.xml,requirements.txt,check.py} -- build
# The archive of classes holds their paths, so it can't be made before the folder has its name.
home=$(readlink -f "$TRIBUTARY_CACHE/spark")
if [ ! -e "$home/spark.jsa" ]; then
	check "$home" "$home/spark.jsa.$$"
	mv -f "$home/spark.jsa.$$" "$home/spark.jsa"
fi
