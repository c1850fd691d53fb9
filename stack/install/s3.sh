#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
need_go versitygw
build() {
	GOBIN="$OUT" CGO_ENABLED=0 retry go install -trimpath -ldflags '-s -w' github.com/versity/versitygw/cmd/versitygw@v1.8.0 >&2
	"$OUT/versitygw" --help >/dev/null
}
provide versitygw 1.8.0 "$0" -- build
