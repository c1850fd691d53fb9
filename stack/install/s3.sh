#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
need_go versitygw
build() {
	cd "$STACK/s3"
	CGO_ENABLED=0 retry go build -mod=readonly -trimpath -ldflags '-s -w' -o "$OUT/versitygw" github.com/versity/versitygw/cmd/versitygw >&2
	"$OUT/versitygw" --help >/dev/null
}
provide versitygw 1.8.0 "$STACK"/s3/{go.mod,go.sum} -- build
