/* The Python face of a step: arrays are looked at here, and the interpreter's lock is released while they are worked on.
 * Arguments of a wrong kind are a mistake of the calling code and raise TypeError or ValueError. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "step.h"

enum { N_ARRAYS = 7 };

/* The numbers of a float32 array of the wanted shape; NULL with an exception. */
static float *numbers_of(PyObject *object, Py_buffer *view, const char *name, Py_ssize_t n_rows, Py_ssize_t n_columns,
                         int writable) {
    if (PyObject_GetBuffer(object, view, PyBUF_ND | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0)) < 0)
        return NULL;
    if (view->ndim == 2 && view->format && !strcmp(view->format, "f") && (n_rows < 0 || view->shape[0] == n_rows) &&
        (n_columns < 0 || view->shape[1] == n_columns))
        return view->buf;
    PyErr_Format(PyExc_ValueError, "%s: a matrix of float32 in the shape of the others is needed", name);
    PyBuffer_Release(view);
    return NULL;
}

static PyObject *step(PyObject *Py_UNUSED(module), PyObject *args) {
    static const char *const names[N_ARRAYS] = {"weights",  "first", "second",      "average",
                                                "gradient", "rates", "coefficients"};
    PyObject *given[N_ARRAYS];
    Step taken;
    if (!PyArg_ParseTuple(args, "OOOOOOOff", &given[0], &given[1], &given[2], &given[3], &given[4], &given[5],
                          &given[6], &taken.scale, &taken.recency))
        return NULL;
    Py_buffer views[N_ARRAYS];
    float *numbers[N_ARRAYS];
    Py_ssize_t n_rows = -1, n_columns = -1;
    int count = 0;
    for (; count < N_ARRAYS; count++) {
        Py_ssize_t wanted = count < 5 ? n_rows : count == 5 ? 1 : N_COEFFICIENTS;
        numbers[count] = numbers_of(given[count], &views[count], names[count], wanted, n_columns, count < 4);
        if (!numbers[count])
            break;
        if (!count) {
            n_rows = views[0].shape[0];
            n_columns = views[0].shape[1];
        }
    }
    int whole = count == N_ARRAYS;
    if (whole) {
        taken.n_rows = (size_t)n_rows;
        taken.n_columns = (size_t)n_columns;
        taken.weights = numbers[0];
        taken.first = numbers[1];
        taken.second = numbers[2];
        taken.average = numbers[3];
        taken.gradient = numbers[4];
        taken.rates = numbers[5];
        taken.coefficients = numbers[6];
        Py_BEGIN_ALLOW_THREADS
        step_take(&taken);
        Py_END_ALLOW_THREADS
    }
    while (count)
        PyBuffer_Release(&views[--count]);
    return whole ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef methods[] = {
    {"step", step, METH_VARARGS,
     "step(weights, first, second, average, gradient, rates, coefficients, scale, recency)\n--\n\nSee __init__.py."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_compiled",
    .m_doc = "Steps of gradient descent.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__compiled(void) {
    return PyModuleDef_Init(&definition);
}
