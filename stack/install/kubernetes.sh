#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
[ "$(id -u)" = 0 ] || unavailable "run as root: the cluster needs namespaces, mounts and containerd"
unshare --mount --net --pid --fork true 2>/dev/null || unavailable "allow new namespaces: this root has no right to make them, so the cluster can't run"
debian iptables conntrack socat containerd runc containernetworking-plugins openssl iproute2 procps
need_go Kubernetes
build() {
	local version=v1.36.3 flags='-s -w' package name
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=36"
		flags+=" -X $package.gitTreeState=clean -X $package.gitCommit=0000000000000000000000000000000000000000 -X $package.buildDate=2026-01-01T00:00:00Z"
	done
	mkdir "$OUT/bin"
	go_build "$STACK/kubernetes" -ldflags "$flags" -o "$OUT/bin/hyper" ./hyper
	for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
		ln -s hyper "$OUT/bin/$name"
	done
	"$OUT/bin/kubectl" version --client >/dev/null
}
provide kubernetes 1.36.3 "$STACK"/kubernetes/{go.mod,go.sum,hyper/main.go} -- build
build_pause() {
	mkdir "$OUT/rootfs"
	go_build "$STACK/kubernetes/pause" -ldflags '-s -w' -o "$OUT/rootfs/pause" .
	node "$STACK/kubernetes/mkimage.mjs" "$OUT/rootfs" localhost/pause:dev "$OUT/pause.tar" '{"Entrypoint":["/pause"]}' >/dev/null
}
provide pause 1 "$STACK"/kubernetes/{pause/go.mod,pause/main.go,mkimage.mjs} -- build_pause
build_coredns() {
	go_build "$STACK/kubernetes/coredns" -ldflags '-s -w' -o "$OUT/coredns" .
	"$OUT/coredns" -plugins >/dev/null
}
provide coredns 1.14.6 "$STACK"/kubernetes/coredns/{go.mod,go.sum,main.go} -- build_coredns
