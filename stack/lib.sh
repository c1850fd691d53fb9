# Shared by the installers: cache folders, locks, retries, one line of result per component.
set -euo pipefail
export STACK=${STACK:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}
export TRIBUTARY_CACHE=${TRIBUTARY_CACHE:-$HOME/.cache/tributary}
mkdir -p "$TRIBUTARY_CACHE"

# unavailable MESSAGE: the component can't be had here; the caller says so and goes on without it.
unavailable() {
	echo "stack: $*" >&2
	exit 3
}

# retry COMMAND...: three tries with growing pauses.
retry() {
	local attempt
	for attempt in 1 2 3; do
		"$@" && return 0
		echo "stack: try $attempt of 3 failed: $*" >&2
		[ "$attempt" = 3 ] || sleep $((attempt * attempt * 3))
	done
	return 1
}

# debian PACKAGE...: installs the missing ones.
debian() {
	local missing=() package
	for package in "$@"; do
		dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
	done
	[ ${#missing[@]} = 0 ] && return 0
	command -v apt-get >/dev/null || unavailable "install the packages ${missing[*]} (this is not Debian)"
	[ "$(id -u)" = 0 ] || unavailable "install the packages first: sudo apt-get install ${missing[*]}"
	(
		flock 9
		export DEBIAN_FRONTEND=noninteractive
		retry apt-get update -qq || exit 1
		# Servers that come as packages must not start by themselves.
		printf '#!/bin/sh\nexit 101\n' >"$TRIBUTARY_CACHE/policy-rc.d"
		chmod +x "$TRIBUTARY_CACHE/policy-rc.d"
		[ -e /usr/sbin/policy-rc.d ] || { cp "$TRIBUTARY_CACHE/policy-rc.d" /usr/sbin/policy-rc.d; trap 'rm -f /usr/sbin/policy-rc.d' EXIT; }
		retry apt-get install -y -qq --no-install-recommends "${missing[@]}"
	) 9>"$TRIBUTARY_CACHE/apt.lock" >&2 || unavailable "apt-get could not install ${missing[*]}; its messages are above"
}

need_java() {
	local found
	found=$(javac -version 2>/dev/null | sed -nE 's/^javac ([0-9]+).*/\1/p' || true)
	[ "${found:-0}" -ge 17 ] && command -v mvn >/dev/null || debian openjdk-17-jdk-headless maven
}

need_go() {
	local found
	found=$(go env GOVERSION 2>/dev/null | sed -nE 's/^go1\.([0-9]+).*/\1/p' || true)
	[ "${found:-0}" -ge 26 ] || unavailable "install Go 1.26 or newer (go.dev/dl): $1 is built from its Go module"
}

# copy_dependencies POM DIRECTORY: refuses what does not match the repository's checksums.
copy_dependencies() {
	retry maven -f "$1" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$2"
}

# Maven 3.8 colours even its silence.
maven() {
	mvn -B -q --strict-checksums "$@" 2>&1 | sed $'s/\x1b\\[[0-9;]*m//g' >&2
}

# go_build FOLDER ARGUMENT...: builds there what its go.sum names, and nothing else.
go_build() {
	retry go_build_once "$@"
}
go_build_once() {
	CGO_ENABLED=0 go build -C "$1" -mod=readonly -trimpath "${@:2}" 2>&1 | { grep -v '^go: downloading' || true; } >&2
}

# provide NAME VERSION RECIPE... -- FUNCTION: makes $TRIBUTARY_CACHE/NAME-VERSION-HASH once. The
# hash is that of the recipe's files and of FUNCTION. FUNCTION gets a folder to fill as $OUT; the
# folder gets its final name only when FUNCTION has succeeded, so a half-made one is never used.
# Not to be called in a condition: bash would then run on after a failed step.
provide() {
	local name=$1 version=$2 recipe=() started=$SECONDS hash
	shift 2
	while [ "$1" != -- ]; do recipe+=("$1") && shift; done
	shift
	hash=$({ [ ${#recipe[@]} = 0 ] || cat "${recipe[@]}"; declare -f "$1"; } | sha256sum | cut -c1-12)
	local final=$TRIBUTARY_CACHE/$name-$version-$hash
	if [ ! -e "$final/.ok" ]; then
		(
			flock 9
			[ -e "$final/.ok" ] && exit 0
			rm -rf "$TRIBUTARY_CACHE/.$name".*
			OUT=$(mktemp -d "$TRIBUTARY_CACHE/.$name.XXXXXX")
			export OUT
			chmod 755 "$OUT"
			trap 'rm -rf "$OUT"' EXIT
			"$1"
			touch "$OUT/.ok"
			rm -rf "$final"
			mv "$OUT" "$final"
		) 9>"$TRIBUTARY_CACHE/$name.lock"
		printf '%-14s %-14s built in %d s\n' "$name" "$version" $((SECONDS - started)) >&2
	else
		printf '%-14s %-14s cached\n' "$name" "$version" >&2
	fi
	ln -sfn "$(basename "$final")" "$TRIBUTARY_CACHE/$name"
}

# expect_files COUNT GLOB...: the check after a download.
expect_files() {
	local wanted=$1
	shift
	if [ $# -lt "$wanted" ]; then
		echo "stack: expected at least $wanted files, found $#: $1" >&2
		return 1
	fi
}

# archive_classes NAME: an archive of the classes that a component loads makes it start in half the time. It
# holds the jars' paths, so it can't be made before the folder has its name; without it, all works too.
archive_classes() {
	local home
	home=$(readlink -f "$TRIBUTARY_CACHE/$1")
	[ ! -e "$home/$1.jsa" ] || return 0
	if PATH="$STACK/../node_modules/.bin:$PATH" node "$STACK/archive.ts" "$1" "$home/$1.jsa.$$" >&2; then
		mv -f "$home/$1.jsa.$$" "$home/$1.jsa"
	else
		rm -f "$home/$1.jsa.$$"
		echo "stack: $1 has no archive of its classes, for the reason above, and starts slowly" >&2
	fi
}
