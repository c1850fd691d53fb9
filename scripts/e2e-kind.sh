#!/usr/bin/env bash
# The e2e tests on a kind cluster instead of the one from plain binaries; needs a Docker engine.
set -euo pipefail
cd "$(dirname "$0")/.."

docker info >/dev/null 2>&1 || {
	echo "e2e-kind: no Docker engine answers: start one, or use make test" >&2
	exit 3
}
command -v kind >/dev/null || {
	command -v go >/dev/null || {
		echo "e2e-kind: install kind, or Go to build it" >&2
		exit 3
	}
	cache=${TRIBUTARY_CACHE:-$HOME/.cache/tributary}/kind-0.30.0
	[ -x "$cache/kind" ] || GOBIN=$cache go install sigs.k8s.io/kind@v0.30.0
	export PATH="$cache:$PATH"
}
scripts/setup.sh
export PATH="$PWD/node_modules/.bin:$PATH"
stack/install.sh kafka connect mongo-double postgres mariadb s3 judges kubectl promtool
npm run --silent build
export TRIBUTARY_CLUSTER=kind
exec vitest run --project e2e "$@"
