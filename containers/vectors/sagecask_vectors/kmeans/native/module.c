/* The Python face of an assignment pass; what the arguments are is described in __init__.py.
 * Arguments of a wrong kind are a mistake of the calling code and raise ValueError. The lock is released meanwhile. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "assign.h"

#define MAX_BUFFERS 6

/* C-contiguous buffers; returns how many are held, all of them or fewer with an exception. */
static int hold(PyObject *const given[], Py_buffer views[], int n, int first_output) {
    int held = 0;
    for (; held < n; held++) {
        int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (held < first_output ? 0 : PyBUF_WRITABLE);
        if (PyObject_GetBuffer(given[held], &views[held], flags) < 0)
            break;
    }
    return held;
}

static void release(Py_buffer views[], int held) {
    while (held-- > 0)
        PyBuffer_Release(&views[held]);
}

static int fits(const Py_buffer *buffer, const char *format, size_t items) {
    /* platforms differ in the letter of 8 bytes */
    int same = buffer->format && (!strcmp(buffer->format, format) ||
                                  (format[0] == 'l' && buffer->itemsize == 8 && !strcmp(buffer->format, "q")));
    return same && (size_t)buffer->len == items * (size_t)buffer->itemsize;
}

static PyObject *closest(PyObject *Py_UNUSED(module), PyObject *args) {
    enum { PRODUCTS, HALVES, SQUARES, LABELS, SQUARED, N };
    PyObject *given[MAX_BUFFERS];
    Py_buffer views[MAX_BUFFERS];
    if (!PyArg_ParseTuple(args, "OOOOO", &given[0], &given[1], &given[2], &given[3], &given[4]))
        return NULL;
    int held = hold(given, views, N, LABELS), fit = 0;
    if (held == N) {
        size_t n_rows = (size_t)views[SQUARES].len / sizeof(float), n_centers = (size_t)views[HALVES].len / sizeof(float);
        fit = n_centers > 0 && n_centers <= INT32_MAX && n_rows <= PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(float) / n_centers &&
              fits(&views[PRODUCTS], "f", n_rows * n_centers) && fits(&views[HALVES], "f", n_centers) &&
              fits(&views[SQUARES], "f", n_rows) && fits(&views[LABELS], "l", n_rows) && fits(&views[SQUARED], "f", n_rows);
        if (fit) {
            Py_BEGIN_ALLOW_THREADS
            assign_closest(views[PRODUCTS].buf, views[HALVES].buf, views[SQUARES].buf, n_rows, n_centers,
                           views[LABELS].buf, views[SQUARED].buf);
            Py_END_ALLOW_THREADS
        } else {
            PyErr_SetString(PyExc_ValueError, "closest: float32 products, halves, squares, int64 labels are needed");
        }
    }
    release(views, held);
    return fit ? Py_NewRef(Py_None) : NULL;
}

static int below(const int64_t *labels, size_t n_rows, size_t n_centers) {
    for (size_t i = 0; i < n_rows; i++)
        if (labels[i] < 0 || (size_t)labels[i] >= n_centers)
            return 0;
    return 1;
}

static PyObject *tally(PyObject *Py_UNUSED(module), PyObject *args) {
    enum { ROWS, LABELS, SQUARED, SUMS, COUNTS, ERRORS, N };
    PyObject *given[MAX_BUFFERS];
    Py_buffer views[MAX_BUFFERS];
    if (!PyArg_ParseTuple(args, "OOOOOO", &given[0], &given[1], &given[2], &given[3], &given[4], &given[5]))
        return NULL;
    int held = hold(given, views, N, SUMS), fit = 0;
    if (held == N) {
        size_t n_rows = (size_t)views[SQUARED].len / sizeof(float), n_centers = (size_t)views[COUNTS].len / sizeof(double);
        size_t width = n_centers ? (size_t)views[SUMS].len / sizeof(double) / n_centers : 0;
        fit = width > 0 && n_rows <= PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(float) / width &&
              fits(&views[ROWS], "f", n_rows * width) && fits(&views[LABELS], "l", n_rows) &&
              fits(&views[SQUARED], "f", n_rows) && fits(&views[SUMS], "d", n_centers * width) &&
              fits(&views[COUNTS], "d", n_centers) && fits(&views[ERRORS], "d", n_centers) &&
              below(views[LABELS].buf, n_rows, n_centers);
        if (fit) {
            Py_BEGIN_ALLOW_THREADS
            assign_tally(views[ROWS].buf, views[LABELS].buf, views[SQUARED].buf, n_rows, width, views[SUMS].buf,
                         views[COUNTS].buf, views[ERRORS].buf);
            Py_END_ALLOW_THREADS
        } else {
            PyErr_SetString(PyExc_ValueError, "tally: float32 rows, labels of centers and float64 sums are needed");
        }
    }
    release(views, held);
    return fit ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef methods[] = {
    {"closest", closest, METH_VARARGS, NULL},
    {"tally", tally, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_compiled", .m_size = 0, .m_methods = methods};

PyMODINIT_FUNC PyInit__compiled(void) { return PyModuleDef_Init(&module); }
