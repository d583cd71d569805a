/* The Python face of the forest: a type that keeps its own copy of the arrays, checked once, and predicts with the
 * interpreter's lock released. What its arguments are is described in __init__.py.
 * Arguments of a wrong kind are a mistake of the calling code and raise TypeError or ValueError. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "forest.h"

enum { NODES, VALUES, ROOTS, GROUPS, WEIGHTS, BASE, N_ARRAYS };

typedef struct {
    PyObject_HEAD
    Forest forest;
    int link;
    void *arrays[N_ARRAYS];
} ForestObject;

/* A copy of the argument's bytes; its length in items. NULL with an exception. */
static void *copy_of(PyObject *object, size_t item, size_t *length) {
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    void *copy = malloc(view.len ? (size_t)view.len : 1);
    if (!copy)
        PyErr_NoMemory();
    else
        memcpy(copy, view.buf, (size_t)view.len);
    *length = (size_t)view.len / item;
    PyBuffer_Release(&view);
    return copy;
}

static int check(ForestObject *self, const size_t length[N_ARRAYS]) {
    Forest *forest = &self->forest;
    const char *fault = NULL;
    if (length[NODES] >= MISSING_RIGHT || length[VALUES] != length[NODES] || length[GROUPS] != length[ROOTS] ||
        (forest->weights && length[WEIGHTS] != length[ROOTS]) || !length[BASE])
        fault = "arrays of unequal length";
    else if (self->link < 0 || self->link >= N_LINKS)
        fault = "an unknown link";
    else
        fault = forest_fault(forest);
    if (fault)
        PyErr_Format(PyExc_ValueError, "a forest is needed; got %s", fault);
    return !fault;
}

static PyObject *forest_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs)) {
    static const size_t sizes[N_ARRAYS] = {sizeof(Node), 4, 4, 4, 4, 4};
    PyObject *given[N_ARRAYS];
    Py_ssize_t width;
    size_t length[N_ARRAYS] = {0};
    int link;
    if (!PyArg_ParseTuple(args, "OOOOOOni", &given[NODES], &given[VALUES], &given[ROOTS], &given[GROUPS],
                          &given[WEIGHTS], &given[BASE], &width, &link))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    ForestObject *self = (ForestObject *)allocate(type, 0);
    if (!self)
        return NULL;
    for (int i = 0; i < N_ARRAYS; i++) {
        if (given[i] == Py_None && i == WEIGHTS)
            continue;
        self->arrays[i] = copy_of(given[i], sizes[i], &length[i]);
        if (!self->arrays[i]) {
            Py_DECREF(self);
            return NULL;
        }
    }
    self->link = link;
    self->forest = (Forest){
        .n_nodes = length[NODES],
        .n_trees = length[ROOTS],
        .n_features = width < 0 ? 0 : (size_t)width,
        .n_groups = length[BASE],
        .nodes = self->arrays[NODES],
        .values = self->arrays[VALUES],
        .roots = self->arrays[ROOTS],
        .groups = self->arrays[GROUPS],
        .weights = self->arrays[WEIGHTS],
        .base = self->arrays[BASE],
    };
    if (check(self, length)) {
        forest_unlink(link, self->arrays[BASE], length[BASE]);
        return (PyObject *)self;
    }
    Py_DECREF(self);
    return NULL;
}

static void forest_dealloc(PyObject *object) {
    ForestObject *self = (ForestObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    for (int i = 0; i < N_ARRAYS; i++)
        free(self->arrays[i]);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *forest_predict(PyObject *self, PyObject *args) {
    PyObject *given, *answers;
    Py_buffer rows, sums;
    if (!PyArg_ParseTuple(args, "OO", &given, &answers))
        return NULL;
    if (PyObject_GetBuffer(given, &rows, PyBUF_ND | PyBUF_FORMAT) < 0)
        return NULL;
    if (PyObject_GetBuffer(answers, &sums, PyBUF_ND | PyBUF_FORMAT | PyBUF_WRITABLE) < 0) {
        PyBuffer_Release(&rows);
        return NULL;
    }
    const Forest *forest = &((ForestObject *)self)->forest;
    size_t n_rows = rows.ndim == 2 ? (size_t)rows.shape[0] : 0;
    int finite = 0, fit = rows.ndim == 2 && rows.format && sums.format && !strcmp(rows.format, "f") &&
                          !strcmp(sums.format, "f") && (size_t)rows.shape[1] == forest->n_features &&
                          (size_t)sums.len == n_rows * forest->n_groups * sizeof(float);
    if (fit) {
        Py_BEGIN_ALLOW_THREADS
        finite = forest_finite(rows.buf, n_rows * forest->n_features);
        if (finite) {
            forest_margins(forest, rows.buf, n_rows, sums.buf);
            forest_link(((ForestObject *)self)->link, sums.buf, n_rows, forest->n_groups);
        }
        Py_END_ALLOW_THREADS
    } else {
        PyErr_Format(PyExc_ValueError, "float32 rows of %zu features and answers of %zu columns are needed",
                     forest->n_features, forest->n_groups);
    }
    PyBuffer_Release(&sums);
    PyBuffer_Release(&rows);
    return fit ? PyBool_FromLong(finite) : NULL;
}

static PyMethodDef METHODS[] = {
    {"predict", forest_predict, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot SLOTS[] = {
    {Py_tp_new, forest_new},
    {Py_tp_dealloc, forest_dealloc},
    {Py_tp_methods, METHODS},
    {0, NULL},
};

static PyType_Spec SPEC = {
    .name = "sagecask_boosting.native._forest.Forest",
    .basicsize = sizeof(ForestObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = SLOTS,
};

static int prepare(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &SPEC, NULL);
    if (!type)
        return -1;
    int outcome = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return outcome;
}

static PyModuleDef_Slot MODULE_SLOTS[] = {{Py_mod_exec, prepare}, {0, NULL}};

static struct PyModuleDef DEFINITION = {
    PyModuleDef_HEAD_INIT, .m_name = "_forest", .m_doc = "Decision trees in one array.", .m_slots = MODULE_SLOTS,
};

PyMODINIT_FUNC PyInit__forest(void) {
    return PyModuleDef_Init(&DEFINITION);
}
