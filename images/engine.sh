#!/bin/bash
# See that a Docker engine answers: install Debian's and start it in the background where none does.
set -euo pipefail

answers() { docker info >/dev/null 2>&1; }

if answers; then exit 0; fi
echo "engine: none answers, starting one"
if ! command -v dockerd >/dev/null || ! command -v iptables >/dev/null; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends docker.io iptables cgroupfs-mount
fi
if ! answers; then
    mountpoint -q /sys/fs/cgroup || cgroupfs-mount
    log=$(mktemp /tmp/dockerd.XXXXXX.log)
    # shellcheck disable=SC2086 - options are words
    setsid dockerd ${DOCKER_HOST:+--host "$DOCKER_HOST"} ${DOCKERD_OPTIONS:-} </dev/null >"$log" 2>&1 &
    for _ in $(seq 120); do answers && break; sleep 0.5; done
    answers || { echo "engine: must answer within 60 seconds; got this log:"; tail -50 "$log"; exit 1; }
fi
docker version --format 'engine: Docker {{.Server.Version}}'
