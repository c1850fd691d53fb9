#!/usr/bin/env bash
# Sets up what is missing and runs every test: unit, integration with the real components, e2e on
# the real cluster. A layer that can't run here is skipped with one line that says why; with
# CI=true that is a failure. TEST_LONG=1 runs the full sizes.
set -euo pipefail
cd "$(dirname "$0")/.."

started=$SECONDS
step() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - started)); }
skipped=0
# Runs beside each other, one test file at a time each: much of a test is waiting. A layer is in one of them.
declare -A lane=([spark]=6 [integration]=2 [connect]=5 [e2e]=3)
# What computes leaves the cores to what waits for a real component; simulations know no time at all.
declare -A lanes=([1]="--project unit" [4]="--project simulation") niceness=([1]=5 [4]=10 [6]=5)

# layer NAME COMPONENT...: adds the layer if its components can be had.
layer() {
	local name=$1 status=0
	shift
	step "components for the $name tests"
	stack/install.sh "$@" || status=$?
	case $status in
	0) lanes[${lane[$name]}]+=" --project $name" ;;
	3)
		echo "skipped: the $name tests, for the reason above"
		skipped=1
		;;
	*) exit "$status" ;;
	esac
}

step "npm packages"
scripts/setup.sh
export PATH="$PWD/node_modules/.bin:$PATH"
layer spark spark judges
layer integration kafka postgres s3 judges promtool
layer connect kafka connect mongo-double postgres mariadb s3
layer e2e kubectl kubernetes promtool
if [ "$skipped" = 1 ] && [ "${CI:-}" = true ]; then
	echo "test: with CI=true no layer may be skipped" >&2
	exit 1
fi

step "types, format, lint"
tsc -p tsconfig.json
biome check .
step "build"
npm run --silent build
step "tests"
mkdir -p .tributary
# Tests start hundreds of processes from source: most of a start is compiling.
export NODE_COMPILE_CACHE="$PWD/.tributary/compile-cache"
rm -f .tributary/tests*.json
status=0
running=()
trap '[ ${#running[@]} = 0 ] || kill "${running[@]}" 2>/dev/null || true' EXIT
for n in "${!lanes[@]}"; do
	# shellcheck disable=SC2086 # names of layers
	nice -n "${niceness[$n]:-0}" vitest run ${lanes[$n]} "$@" --passWithNoTests --reporter=default --reporter=json --outputFile.json=".tributary/tests-$n.json" &
	running+=($!)
done
for pid in "${running[@]}"; do
	wait "$pid" || status=1
done
running=()
node scripts/sum-tests.ts .tributary/tests-*.json >.tributary/tests.json
exit $status
