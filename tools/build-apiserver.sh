#!/bin/bash
# Builds the API server that tests run against: kube-apiserver, etcd and kubectl, once, into the cache.
#
#   tools/build-apiserver.sh              build what is missing; prints the folder with the binaries
#   tools/build-apiserver.sh --print-dir  print that folder without building anything
#
# Cache: $MELTEMI_CACHE, else $XDG_CACHE_HOME/meltemi, else ~/.cache/meltemi. The folder below it is named by a
# digest of everything that decides what the binaries are, so a change of version builds anew beside the old.
# Not needed at all when MELTEMI_KUBE_APISERVER, MELTEMI_ETCD and MELTEMI_KUBECTL name existing binaries.
# Exit codes: 0 there (or not needed), 3 no Go, anything else: the build failed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

kube_version=v1.35.4
etcd_package=go.etcd.io/etcd/server/v3
binaries=(kube-apiserver etcd kubectl)

say() { echo "build-apiserver: $*" >&2; }

cache=${MELTEMI_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or MELTEMI_CACHE}/.cache}/meltemi}
digest=$(cd "$here" && cat kube/go.mod kube/go.sum etcd/go.mod etcd/go.sum build-apiserver.sh | sha256sum | cut -c1-64)
dir=$cache/kube/$digest

complete() { local b; for b in "${binaries[@]}"; do [ -x "$dir/$b" ] || return 1; done; }

if [ "${1:-}" = --print-dir ]; then echo "$dir"; exit 0; fi
[ $# -eq 0 ] || { say "unknown argument: $1 (only --print-dir is known)"; exit 2; }

if [ -n "${MELTEMI_KUBE_APISERVER:-}" ] && [ -n "${MELTEMI_ETCD:-}" ] && [ -n "${MELTEMI_KUBECTL:-}" ]; then
  say "nothing to build: MELTEMI_KUBE_APISERVER, MELTEMI_ETCD and MELTEMI_KUBECTL are set"; exit 0
fi
if complete; then echo "$dir"; exit 0; fi
if ! command -v go >/dev/null; then
  say "Go is not installed. Install Go 1.21 or newer (it fetches the version it needs), or set MELTEMI_KUBE_APISERVER, MELTEMI_ETCD and MELTEMI_KUBECTL."
  exit 3
fi

# One build at a time: `make test` in two checkouts shares the cache. Whoever waited finds it done.
mkdir -p "$cache/kube"
exec 9>"$cache/kube/.lock"
flock -n 9 || { say "another build is running, waiting for it"; flock 9; }
if complete; then echo "$dir"; exit 0; fi

staging=$(mktemp -d "$cache/kube/.building.XXXXXX")
trap 'rm -rf "$staging"' EXIT

# The caller's GOFLAGS come first, so that `GOFLAGS=-p=1` makes a polite build.
export CGO_ENABLED=0 GOWORK=off GOFLAGS="${GOFLAGS:-} -mod=readonly -buildvcs=false -trimpath"

# Without these kube-apiserver and kubectl call themselves v0.0.0-master and refuse some features.
kube_ldflags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  kube_ldflags+=" -X $package.gitVersion=$kube_version -X $package.gitMajor=1 -X $package.gitMinor=35"
  kube_ldflags+=" -X $package.gitTreeState=clean -X $package.buildDate=2026-01-01T00:00:00Z"
done

# build MODULE BINARY LDFLAGS PACKAGE
build() {
  local started=$SECONDS
  (cd "$here/$1" && go build -ldflags "$3" -o "$staging/$2" "$4")
  say "$2 built in $((SECONDS - started)) s"
}

say "building kube-apiserver $kube_version, etcd and kubectl into $dir (once; 4 to 6 minutes on two cores)"
build kube kube-apiserver "$kube_ldflags" k8s.io/kubernetes/cmd/kube-apiserver
build etcd etcd "-s -w" "$etcd_package"
build kube kubectl "$kube_ldflags" k8s.io/kubernetes/cmd/kubectl

# The rename makes it atomic: the folder is either complete or not there. A broken one (a file was deleted) goes first.
rm -rf "$dir"
mv "$staging" "$dir"
chmod 755 "$dir"
say "done"
echo "$dir"
