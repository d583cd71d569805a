/* The Python face of random cut trees: a function that builds them, and a type that checks arrays once and scores rows
 * with the interpreter's lock released. What the arguments are is described in __init__.py.
 * Arguments of a wrong kind are a mistake of the calling code and raise ValueError, as do arrays that are no forest. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "forest.h"

/* keeps products of sizes far from where they overflow */
#define MAX_WIDTH (1 << 24)

/* Buffers of 4-byte items that building fills, one item a row. */
enum { ORDER, COUNTS, CUTS, DIMENSIONS, LEFT, N_OUTPUTS };

static int build_trees(const Py_buffer *rows, const Py_buffer *seeds, size_t n_rows, size_t width, uint32_t *leaves,
                       const Py_buffer outputs[N_OUTPUTS], size_t *total) {
    size_t n_trees = (size_t)seeds->len / sizeof(uint64_t), n_leaves = 0;
    for (size_t t = 0; t < n_trees; t++) {
        size_t node = n_leaves - t;
        Building to = {
            .order = (uint32_t *)outputs[ORDER].buf + n_leaves,
            .counts = (uint32_t *)outputs[COUNTS].buf + n_leaves,
            .cuts = (float *)outputs[CUTS].buf + node,
            .dimensions = (uint32_t *)outputs[DIMENSIONS].buf + node,
            .left = (uint32_t *)outputs[LEFT].buf + node,
        };
        const float *first = (const float *)rows->buf + t * n_rows * width;
        size_t found = forest_build(first, n_rows, width, ((const uint64_t *)seeds->buf)[t], &to);
        if (!found)
            return 0;
        for (size_t i = 0; i < found; i++)
            to.order[i] += (uint32_t)(t * n_rows);
        leaves[t] = (uint32_t)found;
        n_leaves += found;
    }
    *total = n_leaves;
    return 1;
}

static int fits(const Py_buffer *buffer, const char *format, size_t items) {
    size_t size = format[0] == 'L' ? sizeof(uint64_t) : sizeof(uint32_t);
    /* platforms differ in the letter of 8 bytes */
    int same = buffer->format && (!strcmp(buffer->format, format) || (size == 8 && !strcmp(buffer->format, "Q")));
    return same && (size_t)buffer->len == items * size;
}

static PyObject *module_build(PyObject *Py_UNUSED(module), PyObject *args) {
    enum { ROWS, SEEDS, LEAVES, FIRST_OUTPUT, N_BUFFERS = FIRST_OUTPUT + N_OUTPUTS };
    static const char *const formats[N_BUFFERS] = {"f", "L", "I", "I", "I", "f", "I", "I"};
    PyObject *given[N_BUFFERS];
    Py_buffer views[N_BUFFERS];
    Py_ssize_t n_rows, width;
    if (!PyArg_ParseTuple(args, "OOnnOOOOOO", &given[ROWS], &given[SEEDS], &n_rows, &width, &given[LEAVES],
                          &given[FIRST_OUTPUT], &given[FIRST_OUTPUT + 1], &given[FIRST_OUTPUT + 2],
                          &given[FIRST_OUTPUT + 3], &given[FIRST_OUTPUT + 4]))
        return NULL;
    int held = 0, fit = n_rows > 0 && width > 0 && n_rows <= INT32_MAX && width <= MAX_WIDTH, built = 0;
    for (; held < N_BUFFERS; held++) {
        int flags = PyBUF_ND | PyBUF_FORMAT | (held < LEAVES ? 0 : PyBUF_WRITABLE);
        if (PyObject_GetBuffer(given[held], &views[held], flags) < 0)
            break;
    }
    size_t total = 0;
    if (held == N_BUFFERS) {
        size_t n_trees = (size_t)views[SEEDS].len / sizeof(uint64_t), all = n_trees * (size_t)n_rows;
        fit = fit && n_trees && all / n_trees == (size_t)n_rows && all <= INT32_MAX;
        size_t items[N_BUFFERS] = {all * (size_t)width, n_trees, n_trees, all, all, all, all, all};
        for (int i = 0; i < N_BUFFERS; i++)
            fit = fit && fits(&views[i], formats[i], items[i]);
        if (fit) {
            Py_BEGIN_ALLOW_THREADS
            built = build_trees(&views[ROWS], &views[SEEDS], (size_t)n_rows, (size_t)width, views[LEAVES].buf,
                                &views[FIRST_OUTPUT], &total);
            Py_END_ALLOW_THREADS
            if (!built)
                PyErr_NoMemory();
        } else {
            PyErr_SetString(PyExc_ValueError, "float32 rows, uint64 seeds and arrays of an item a row are needed");
        }
    }
    while (held-- > 0)
        PyBuffer_Release(&views[held]);
    return built ? PyLong_FromSize_t(total) : NULL;
}

typedef struct {
    PyObject_HEAD
    Forest forest;
    Py_buffer points;
    int has_points;
} ForestObject;

/* Arrays as they are given, beside the points. */
enum { A_COUNTS, A_LEAVES, A_DIMENSIONS, A_CUTS, A_LEFT, N_ARRAYS };

/* Fill `arrays`; returns 0 with an exception where lengths or types are not those of a forest. */
static int view(const ForestObject *self, const Py_buffer views[N_ARRAYS], Py_ssize_t width, Arrays *arrays) {
    size_t n_leaves = (size_t)views[A_COUNTS].len / 4, n_trees = (size_t)views[A_LEAVES].len / 4;
    int fit = n_trees && n_leaves >= n_trees && n_leaves <= INT32_MAX && width > 0 && width <= MAX_WIDTH;
    size_t n_nodes = fit ? n_leaves - n_trees : 0;
    fit = fit && fits(&self->points, "f", n_leaves * (size_t)width) && fits(&views[A_COUNTS], "I", n_leaves) &&
          fits(&views[A_LEAVES], "I", n_trees) && fits(&views[A_DIMENSIONS], "I", n_nodes) &&
          fits(&views[A_CUTS], "f", n_nodes) && fits(&views[A_LEFT], "I", n_nodes);
    if (!fit) {
        PyErr_SetString(PyExc_ValueError, "a forest is needed; got arrays of other lengths or types");
        return 0;
    }
    *arrays = (Arrays){
        .n_trees = n_trees,
        .n_leaves = n_leaves,
        .n_nodes = n_nodes,
        .width = (size_t)width,
        .points = self->points.buf,
        .counts = views[A_COUNTS].buf,
        .leaves = views[A_LEAVES].buf,
        .dimensions = views[A_DIMENSIONS].buf,
        .left = views[A_LEFT].buf,
        .cuts = views[A_CUTS].buf,
    };
    return 1;
}

/* Returns 0 with an exception. */
static int make(ForestObject *self, const Arrays *arrays) {
    const char *fault;
    Py_BEGIN_ALLOW_THREADS
    fault = forest_make(&self->forest, arrays);
    Py_END_ALLOW_THREADS
    if (fault && *fault)
        PyErr_Format(PyExc_ValueError, "a forest is needed; got %s", fault);
    else if (fault)
        PyErr_NoMemory();
    return !fault;
}

static PyObject *forest_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs)) {
    PyObject *points, *given[N_ARRAYS];
    Py_buffer views[N_ARRAYS];
    Py_ssize_t width;
    if (!PyArg_ParseTuple(args, "OOOOOOn", &points, &given[A_COUNTS], &given[A_LEAVES], &given[A_DIMENSIONS],
                          &given[A_CUTS], &given[A_LEFT], &width))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    ForestObject *self = (ForestObject *)allocate(type, 0);
    if (!self)
        return NULL;
    self->has_points = PyObject_GetBuffer(points, &self->points, PyBUF_ND | PyBUF_FORMAT) == 0;
    int held = 0, made = 0;
    for (; self->has_points && held < N_ARRAYS; held++)
        if (PyObject_GetBuffer(given[held], &views[held], PyBUF_ND | PyBUF_FORMAT) < 0)
            break;
    Arrays arrays;
    if (held == N_ARRAYS)
        made = view(self, views, width, &arrays) && make(self, &arrays);
    while (held-- > 0)
        PyBuffer_Release(&views[held]);
    if (made)
        return (PyObject *)self;
    Py_DECREF(self);
    return NULL;
}

static void forest_dealloc(PyObject *object) {
    ForestObject *self = (ForestObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    forest_free(&self->forest);
    if (self->has_points)
        PyBuffer_Release(&self->points);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *forest_scores(PyObject *self, PyObject *args) {
    PyObject *given, *answers;
    Py_buffer rows, scores;
    if (!PyArg_ParseTuple(args, "OO", &given, &answers))
        return NULL;
    if (PyObject_GetBuffer(given, &rows, PyBUF_ND | PyBUF_FORMAT) < 0)
        return NULL;
    if (PyObject_GetBuffer(answers, &scores, PyBUF_ND | PyBUF_FORMAT | PyBUF_WRITABLE) < 0) {
        PyBuffer_Release(&rows);
        return NULL;
    }
    const Forest *forest = &((ForestObject *)self)->forest;
    size_t n_rows = rows.ndim == 2 ? (size_t)rows.shape[0] : 0;
    int done = 0, fit = rows.ndim == 2 && (size_t)rows.shape[1] == forest->width &&
                        fits(&rows, "f", n_rows * forest->width) && fits(&scores, "f", n_rows);
    if (fit) {
        Py_BEGIN_ALLOW_THREADS
        done = forest_score(forest, rows.buf, n_rows, scores.buf);
        Py_END_ALLOW_THREADS
        if (!done)
            PyErr_NoMemory();
    } else {
        PyErr_Format(PyExc_ValueError, "float32 rows of %zu features and a score for each are needed", forest->width);
    }
    PyBuffer_Release(&scores);
    PyBuffer_Release(&rows);
    if (!done)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef FOREST_METHODS[] = {
    {"score", forest_scores, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot FOREST_SLOTS[] = {
    {Py_tp_new, forest_new},
    {Py_tp_dealloc, forest_dealloc},
    {Py_tp_methods, FOREST_METHODS},
    {0, NULL},
};

static PyType_Spec FOREST_SPEC = {
    .name = "sagecask_vectors.randomcutforest.native._compiled.Forest",
    .basicsize = sizeof(ForestObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = FOREST_SLOTS,
};

static PyMethodDef METHODS[] = {
    {"build", module_build, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int prepare(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &FOREST_SPEC, NULL);
    if (!type)
        return -1;
    int outcome = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return outcome;
}

static PyModuleDef_Slot MODULE_SLOTS[] = {{Py_mod_exec, prepare}, {0, NULL}};

static struct PyModuleDef DEFINITION = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_compiled",
    .m_doc = "Random cut trees in flat arrays.",
    .m_methods = METHODS,
    .m_slots = MODULE_SLOTS,
};

PyMODINIT_FUNC PyInit__compiled(void) {
    return PyModuleDef_Init(&DEFINITION);
}
