#!/usr/bin/env bash
# Installs the project's npm packages when the lock file changed. Node 24 comes with them (package
# `node`), so any Node that can run npm is enough to start with. `npm install --no-save` takes the
# versions and checksums of the lock file as `npm ci` does, but accepts a registry that lacks a
# platform's optional package, where `npm ci` refuses the whole lock file.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v npm >/dev/null || {
	echo "setup: npm is missing: install Node.js 20 or newer with npm" >&2
	exit 3
}
stamp=node_modules/.tributary-lock
wanted=$(sha256sum package-lock.json | cut -d' ' -f1)
[ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0
for attempt in 1 2 3; do
	if npm install --no-save --no-audit --no-fund --loglevel=error >&2; then
		echo "$wanted" >"$stamp"
		exit 0
	fi
	echo "setup: npm install failed, try $attempt of 3" >&2
	sleep $((attempt * 5))
done
echo "setup: npm install failed three times; its messages are above" >&2
exit 1
