#!/bin/sh
# Take out of an environment what no running container uses: for boosting 130 MB of 440, for vectors 300 of 1,220; of the
# 4.9 GB of torch with CUDA 0.9.
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

# What torch comes with for those who build on it or test it; programs and symbols that only a debugger or linker reads.
if [ -d torch ]; then
    rm -rf torch/include torch/share torch/test torch/lib/*test*.so torch/lib/libshm*/
    # importing torch looks for this one
    find torch/bin -type f ! -name torch_shm_manager -delete
    # syntax of a later Python
    rm -f torch/testing/_internal/py312_intrinsics.py
    find torch -name '*.pyi' -delete
    strip --strip-unneeded torch/lib/*.so
fi

# What CUDA comes with that no library here links to or opens: a copy of its compiler, a solver over several GPUs, what
# profilers read, BLAS and FFTW in other libraries' names.
rm -f nvidia/*/lib/libnvrtc*.alt.so.* nvidia/*/lib/libcusolverMg.so.* nvidia/*/lib/libcufftw.so.* \
    nvidia/*/lib/libnvblas.so.* nvidia/*/lib/libnvperf_*.so nvidia/*/lib/libpcsamplingutil.so \
    nvidia/*/lib/libcheckpoint.so nvidia/*/lib/*.bc

# The compiler behind torch.compile starts a C compiler, which no image has.
rm -rf triton triton-*.dist-info
