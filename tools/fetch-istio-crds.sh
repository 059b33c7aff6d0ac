#!/bin/bash
# Fetches Istio's own CRDs, which tests install and compare ours with: from the Go module istio.io/api, once, into the cache.
#
#   tools/fetch-istio-crds.sh               fetch if missing; prints the file
#   tools/fetch-istio-crds.sh --print-file  print the file without fetching anything
#
# Cache: as of build-apiserver.sh. MELTEMI_ISTIO_CRDS names another file, and then nothing is fetched.
# Exit codes: 0 there (or not needed), 3 no Go, anything else: it failed.
set -euo pipefail

version=v1.31.1
checksum=c0ad59e008658765412badb836e73a523a355e3d792a32ad3c0711a728be5aff

say() { echo "fetch-istio-crds: $*" >&2; }

cache=${MELTEMI_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or MELTEMI_CACHE}/.cache}/meltemi}
file=${MELTEMI_ISTIO_CRDS:-$cache/istio-crds/$version.yaml}

if [ "${1:-}" = --print-file ]; then echo "$file"; exit 0; fi
[ $# -eq 0 ] || { say "unknown argument: $1 (only --print-file is known)"; exit 2; }
if [ -f "$file" ]; then echo "$file"; exit 0; fi
if [ -n "${MELTEMI_ISTIO_CRDS:-}" ]; then say "MELTEMI_ISTIO_CRDS is not a file: $file"; exit 1; fi
if ! command -v go >/dev/null; then
  say "Go is not installed. Install it, or set MELTEMI_ISTIO_CRDS to Istio's customresourcedefinitions.gen.yaml."
  exit 3
fi

mkdir -p "$cache/istio-crds"
staging=$(mktemp -d "$cache/istio-crds/.fetching.XXXXXX")
trap 'rm -rf "$staging"' EXIT
# Outside of any module, so that no go.mod has a say.
cd "$staging"
GOWORK=off GOFLAGS=-modcacherw GOMODCACHE="$staging/modules" go mod download "istio.io/api@$version"
found=$staging/modules/istio.io/api@$version/kubernetes/customresourcedefinitions.gen.yaml
echo "$checksum  $found" | sha256sum --check --quiet >&2
# The rename makes it atomic.
mv "$found" "$staging/crds.yaml"
mv "$staging/crds.yaml" "$file"
say "Istio's CRDs of $version are there"
echo "$file"
