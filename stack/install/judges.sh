#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
command -v python3 >/dev/null || unavailable "install Python 3.10 or newer: delta-rs and DuckDB judge the tables from it"
build() {
	python3 -m venv "$OUT" || unavailable "python3 -m venv failed: install python3-venv"
	retry "$OUT/bin/python" -m pip install -q --no-input --disable-pip-version-check --no-deps -r "$STACK/judges/requirements.txt" >&2
	"$OUT/bin/python" -m pip check >/dev/null
	"$OUT/bin/python" "$STACK/judges/check.py"
	# Its scripts name the folder it was made in; the interpreter does not, so only that is kept.
	find "$OUT/bin" -type f -delete
}
provide judges 1 "$STACK"/judges/{requirements.txt,check.py} -- build
