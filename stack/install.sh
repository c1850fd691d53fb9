#!/usr/bin/env bash
# install.sh all | COMPONENT...: installs what the tests and the demo run, cached by version below
# ${TRIBUTARY_CACHE:-~/.cache/tributary}. Exit status 3: a component can't be had here, with one
# line that says why; the others are installed all the same.
set -euo pipefail
STACK=$(cd "$(dirname "$0")" && pwd)
export STACK
known=(kafka connect mongo-double postgres mariadb s3 judges spark kubectl kubernetes promtool)
[ "${1:-}" = all ] && set -- "${known[@]}"
[ $# -gt 0 ] || {
	echo "usage: install.sh all | ${known[*]}" >&2
	exit 2
}
result=0
for component in "$@"; do
	[ -f "$STACK/install/$component.sh" ] || {
		echo "install.sh: unknown component $component; known: ${known[*]}" >&2
		exit 2
	}
	status=0
	bash "$STACK/install/$component.sh" || status=$?
	case $status in
	0) ;;
	3) result=3 ;;
	*) exit "$status" ;;
	esac
done
exit "$result"
