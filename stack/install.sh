#!/usr/bin/env bash
# install.sh COMPONENT...: installs what the tests and the demo run, cached by version below
# ${TRIBUTARY_CACHE:-~/.cache/tributary}. Exit status 3: a component can't be had, with one line why.
set -euo pipefail
STACK=$(cd "$(dirname "$0")" && pwd)
export STACK
known=(kafka connect mongo-double postgres mariadb s3 judges kubectl kubernetes)
[ "${1:-}" = all ] && set -- "${known[@]}"
[ $# -gt 0 ] || {
	echo "usage: install.sh all | ${known[*]}" >&2
	exit 2
}
for component in "$@"; do
	[ -f "$STACK/install/$component.sh" ] || {
		echo "install.sh: unknown component $component; known: ${known[*]}" >&2
		exit 2
	}
	bash "$STACK/install/$component.sh"
done
