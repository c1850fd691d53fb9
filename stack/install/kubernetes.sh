#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
[ "$(id -u)" = 0 ] || unavailable "run as root: the cluster needs namespaces, mounts and containerd"
debian iptables conntrack socat containerd runc containernetworking-plugins openssl iproute2 procps
need_go Kubernetes
build() {
	local version=v1.36.3 flags='-s -w' package name
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=36"
		flags+=" -X $package.gitTreeState=clean -X $package.gitCommit=0000000000000000000000000000000000000000 -X $package.buildDate=2026-01-01T00:00:00Z"
	done
	mkdir "$OUT/bin"
	cd "$STACK/kubernetes"
	CGO_ENABLED=0 retry go build -mod=readonly -trimpath -ldflags "$flags" -o "$OUT/bin/hyper" ./hyper >&2
	for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
		ln -s hyper "$OUT/bin/$name"
	done
	"$OUT/bin/kubectl" version --client >/dev/null
}
provide kubernetes 1.36.3 "$STACK"/kubernetes/{go.mod,go.sum,hyper/main.go} -- build
build_pause() {
	mkdir "$OUT/rootfs"
	cd "$STACK/kubernetes/pause"
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$OUT/rootfs/pause" . >&2
	node "$STACK/kubernetes/mkimage.mjs" "$OUT/rootfs" localhost/pause:dev "$OUT/pause.tar" '{"Entrypoint":["/pause"]}' >&2
}
provide pause 1 "$STACK"/kubernetes/{pause/go.mod,pause/main.go,mkimage.mjs} -- build_pause
build_coredns() {
	cd "$STACK/kubernetes/coredns"
	CGO_ENABLED=0 retry go build -mod=readonly -trimpath -ldflags '-s -w' -o "$OUT/coredns" . >&2
	"$OUT/coredns" -plugins >/dev/null
}
provide coredns 1.14.6 "$STACK"/kubernetes/coredns/{go.mod,go.sum,main.go} -- build_coredns
