#!/bin/bash
# Make sagecask/base and sagecask/build out of Debian packages, where no image registry can be reached: the equivalents
# of the public slim Python image, which the Dockerfiles take as BASE_IMAGE and BUILD_IMAGE. Packages come from wherever
# this machine's apt takes them; sagecask/build also has a compiler, and this machine's certificates, pip settings and
# folders of wheels, none of which reach a finished image.
set -euo pipefail

suite=${SUITE:-bookworm}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command -v mmdebstrap >/dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends mmdebstrap; }

debian() {  # debian ARCHIVE PACKAGES...: a minimal Debian with these packages, without manuals and translations
    local archive=$1 packages; shift; packages=$(IFS=,; echo "$*")
    cat /etc/apt/sources.list /etc/apt/sources.list.d/debian.* 2>/dev/null >"$work/sources" || true
    mmdebstrap --quiet --variant=minbase --include="usr-is-merged,$packages" \
        --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        "${hooks[@]}" "$suite" "$archive" "$work/sources"
}

pip_told() {  # what pip is told on this machine, as lines `name = value`; what the environment says goes first
    python3 -m pip config list | sed -nE "s/^(global|:env:)\.([a-z-]+)='(.*)'$/\2 = \3/p" | sort -s -u -t= -k1,1
}

find_links() { pip_told | sed -n 's/^find-links = //p' | tr ' ' '\n'; }  # where pip looks for wheels beside an index

pip_settings() {  # the same for the image, which of this machine's folders has those of wheels alone, as one
    echo "[global]"
    pip_told | sed -E '/^find-links =/d; /= *(\/|file:)/d'
    echo "cert = /etc/ssl/certs/ca-certificates.crt"
    echo "find-links = /wheels $(find_links | sed -E '/^(\/|file:)/d' | tr '\n' ' ')"
}

wheels() {  # gather the wheels of this machine's folders
    mkdir "$1"
    find_links | sed -nE 's,^(file://)?(/.*),\2,p' | while read -r folder; do
        find "$folder" -maxdepth 1 -name '*.whl' -exec cp -t "$1" {} +
    done
}

echo "base image: sagecask/base"
hooks=()
debian "$work/base.tar" ca-certificates python3
docker import --change 'CMD ["python3"]' "$work/base.tar" sagecask/base >/dev/null

echo "base image: sagecask/build"
pip_settings >"$work/pip.conf"
cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$work/ca-certificates.crt"
wheels "$work/wheels"
hooks=(--customize-hook="copy-in $work/pip.conf /etc" --customize-hook="copy-in $work/ca-certificates.crt /etc/ssl/certs"
    --customize-hook="copy-in $work/wheels /")
debian "$work/build.tar" ca-certificates gcc libc6-dev python3 python3-dev python3-venv
docker import --change 'CMD ["python3"]' "$work/build.tar" sagecask/build >/dev/null

docker image ls --filter reference=sagecask/base --filter reference=sagecask/build
