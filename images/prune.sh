#!/bin/sh
# Take out of an environment what no running container uses: for boosting 130 MB of 440.
set -eu

rm -f "$1"/bin/*ctivate* "$1"/bin/f2py "$1"/bin/numpy-config "$1"/bin/flask

cd "$1"/lib/python3.*/site-packages

# Packages' own tests, headers and static libraries.
find . -type d -name tests -prune -exec rm -rf {} +
find . \( -name '*.a' -o -name '*.h' -o -name '*.hpp' -o -name '*.pxd' -o -name '*.pyx' -o -name '*.pxi' \) -delete

# Arrow's transports: Parquet comes as a file or a request's body. The shared libraries of Arrow need one another, so
# that these two, which nothing links to, are all that can go, with the modules that need them.
if [ -d pyarrow ]; then
    rm -rf pyarrow/include pyarrow/src pyarrow/libarrow_flight.* pyarrow/libarrow_python_flight.* pyarrow/_flight.* \
        pyarrow/flight.py pyarrow/libarrow_s3.* pyarrow/_s3fs.*
    # The wheel has links as copies; the name with the ABI's number is the one that is loaded.
    for library in pyarrow/libarrow_*.so.*.*.*; do
        plain=${library%%.so.*}.so
        rm -f "$library" "$plain"
    done
fi
