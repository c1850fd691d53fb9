#!/usr/bin/env bash
# Sets up what the demo needs and runs it. A user's own servers take the place of components:
# MONGODB_URI, POSTGRES_URI, KAFKA_BOOTSTRAP_SERVERS with KAFKA_CONNECT_URL.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
components=()
[ -n "${KAFKA_BOOTSTRAP_SERVERS:-}" ] || components+=(kafka)
[ -n "${KAFKA_CONNECT_URL:-}" ] || components+=(connect)
[ -n "${MONGODB_URI:-}" ] || components+=(mongo-double)
[ -n "${POSTGRES_URI:-}" ] || components+=(postgres)
[ ${#components[@]} = 0 ] || stack/install.sh "${components[@]}"
if [ "${DEMO_LAKE:-}" != file ] && ! stack/install.sh s3; then
	echo "demo: without an S3 server the lake is a local folder"
	export DEMO_LAKE=file
fi
exec node_modules/.bin/node --disable-warning=TimeoutNegativeWarning demo/demo.ts
