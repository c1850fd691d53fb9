#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
need_go promtool
build() {
	local operator
	mkdir "$OUT/bin" "$OUT/crds"
	# Without service discovery: the clients of all clouds are most of its code.
	go_build "$STACK/prometheus" -tags remove_all_sd -ldflags '-s -w' -o "$OUT/bin/promtool" github.com/prometheus/prometheus/cmd/promtool
	"$OUT/bin/promtool" --version >/dev/null
	# The definitions of what the chart makes for the Prometheus operator.
	retry go mod download -C "$STACK/prometheus/crds"
	operator=$(go list -C "$STACK/prometheus/crds" -mod=readonly -m -f '{{.Dir}}' github.com/prometheus-operator/prometheus-operator)
	cp "$operator"/example/prometheus-operator-crd/monitoring.coreos.com_{podmonitors,prometheusrules,servicemonitors}.yaml "$OUT/crds/"
}
provide promtool 3.15.0 "$STACK"/prometheus/{go.mod,go.sum,crds/go.mod,crds/go.sum} -- build
