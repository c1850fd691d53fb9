#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
need_go versitygw
build() {
	go_build "$STACK/s3" -ldflags '-s -w' -o "$OUT/versitygw" github.com/versity/versitygw/cmd/versitygw
	"$OUT/versitygw" --help >/dev/null
}
provide versitygw 1.8.0 "$STACK"/s3/{go.mod,go.sum} -- build
