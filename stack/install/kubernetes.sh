#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
[ "$(id -u)" = 0 ] || unavailable "the cluster needs root (namespaces, mounts, containerd): run as root, or use make e2e-kind with Docker"
debian iptables conntrack socat containerd runc containernetworking-plugins openssl iproute2
need_go Kubernetes
build() {
	local version=v1.36.3 flags='-s -w' package
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=36"
		flags+=" -X $package.gitTreeState=clean -X $package.gitCommit=0000000000000000000000000000000000000000 -X $package.buildDate=2026-01-01T00:00:00Z"
	done
	mkdir "$OUT/bin" "$OUT/pause"
	cd "$STACK/kubernetes"
	CGO_ENABLED=0 retry go build -trimpath -ldflags "$flags" -o "$OUT/bin/hyper" ./hyper >&2
	local name
	for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
		ln -s hyper "$OUT/bin/$name"
	done
	"$OUT/bin/kubectl" version --client >&2
	cd pause
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$OUT/pause/pause" . >&2
	node "$STACK/kubernetes/mkimage.mjs" "$OUT/pause" localhost/pause:dev "$OUT/pause.tar" '{"Entrypoint":["/pause"]}' >&2
}
provide kubernetes 1.36.3 "$STACK"/kubernetes/{go.mod,go.sum,hyper/main.go,pause/main.go,mkimage.mjs} -- build
