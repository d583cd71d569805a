#!/bin/sh
# Fuzzes every decoder for about MINUTES in all: half of them the compiled parts under the sanitizers, half the Python
# ones. Tools, binaries and what is found go to .venv/fuzz.
#   tests/fuzz/run.sh MINUTES [DECODER...]
set -eu
cd "$(dirname "$0")/../.."
minutes=$1
shift
out=$PWD/.venv/fuzz
mkdir -p "$out"

if ! command -v clang-14 >/dev/null; then
    apt-get update --quiet
    apt-get install --yes --quiet --no-install-recommends clang-14 libclang-rt-14-dev
fi
if ! test -x "$out/venv/bin/python"; then
    .venv/bin/python -m venv "$out/venv"
    "$out/venv/bin/pip" install --quiet 'atheris>=3.0'
fi
packages='import sysconfig; print(sysconfig.get_path("purelib"))'
{
    .venv/bin/python -c "$packages"
    echo "$PWD/src"
    printf '%s\n' "$PWD"/containers/*
} >"$("$out/venv/bin/python" -c "$packages")/tree.pth"

options="-timeout=5 -max_len=4096 -print_final_stats=1 -verbosity=0"
entries="number csv libsvm records forest"
native=src/sagecask/native
sources=$(find $native -name '*.c' ! -name module.c)
for entry in $entries; do
    clang-14 -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -DENTRY="$entry" \
        -I$native -o "$out/$entry" tests/fuzz/core.c $sources containers/boosting/sagecask_boosting/native/forest.c -lm
done

failed=
# $1: name of its folders; the rest: command
fuzz() {
    name=$1
    shift
    mkdir -p "$out/corpus/$name"
    echo "== $name"
    "$@" "$out/corpus/$name" $options -artifact_prefix="$out/find-$name-" 2>"$out/$name.log" || failed="$failed $name"
    grep -aE 'number_of_executed_units|must hold|SUMMARY|^[A-Za-z]*(Error|Warning)' "$out/$name.log" || true
}

if test $# -eq 0; then
    for entry in $entries; do
        fuzz "core-$entry" "$out/$entry" -max_total_time=$((minutes * 30 / 5))
    done
    # XGBoost's reader of JSON follows what it reads unseen, so whole models are for those who ask
    set -- $(ls tests/fuzz/corpus | grep -vx model)
    seconds=$((minutes * 30 / $#))
else
    seconds=$((minutes * 60 / $#))
fi
for decoder in "$@"; do
    mkdir -p "$out/corpus/$decoder"
    cp -n tests/fuzz/corpus/"$decoder"/* "$out/corpus/$decoder/" || true
    fuzz "$decoder" "$out/venv/bin/python" tests/fuzz/fuzz.py "$decoder" -max_total_time=$((seconds > 1 ? seconds : 1))
done
test -z "$failed" || { echo "finds in:$failed; inputs lie in $out"; exit 1; }
