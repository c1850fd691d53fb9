#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
command -v python3 >/dev/null || unavailable "install Python 3.10 or newer: delta-rs and DuckDB judge the tables from it"
build() {
	# A virtual environment keeps absolute paths, so it stands at its final place from the start.
	local place=$TRIBUTARY_CACHE/judges-venv
	rm -rf "$place"
	python3 -m venv "$place" || unavailable "python3 -m venv failed: install python3-venv"
	retry "$place/bin/pip" install -q --no-input --disable-pip-version-check -r "$STACK/judges/requirements.txt" >&2
	"$place/bin/python" -c 'import deltalake, duckdb, pyarrow' >&2
}
[ -x "$TRIBUTARY_CACHE/judges-venv/bin/python" ] || rm -rf "$TRIBUTARY_CACHE"/judges-1-*
provide judges 1 "$STACK/judges/requirements.txt" -- build
