/* The Python face of the machine: arrays are looked at here, once for each call, and the interpreter's lock is released
 * while they are worked on. What the arguments are is described in __init__.py.
 * Arguments of a wrong kind are a mistake of the calling code and raise TypeError or ValueError. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "machine.h"

/* Arrays of one call, released together. */
enum { MOST_VIEWS = 8 };
typedef struct {
    Py_buffer views[MOST_VIEWS];
    int count;
} Arrays;

typedef struct {
    PyObject_HEAD
    Machine machine;
    /* the weights, which outlive every call */
    Arrays arrays;
} MachineObject;

static void release(Arrays *arrays) {
    while (arrays->count)
        PyBuffer_Release(&arrays->views[--arrays->count]);
}

/* The array's view, kept until `release`; kinds are the formats it may have. NULL with an exception. */
static Py_buffer *view_of(Arrays *arrays, PyObject *object, const char *name, const char *kinds, int n_dimensions,
                          int writable) {
    Py_buffer *view = &arrays->views[arrays->count];
    if (PyObject_GetBuffer(object, view, PyBUF_ND | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0)) < 0)
        return NULL;
    arrays->count++;
    if (view->ndim == n_dimensions && view->format && strlen(view->format) == 1 && strchr(kinds, view->format[0]))
        return view;
    PyErr_Format(PyExc_ValueError, "%s: an array of %d dimensions and type %s is needed", name, n_dimensions, kinds);
    return NULL;
}

/* The same for an array of known length. */
static void *items_of(Arrays *arrays, PyObject *object, const char *name, const char *kinds, Py_ssize_t length,
                      int writable) {
    Py_buffer *view = view_of(arrays, object, name, kinds, 1, writable);
    if (!view)
        return NULL;
    if (view->shape[0] == length)
        return view->buf;
    PyErr_Format(PyExc_ValueError, "%s: %zd numbers are needed; got %zd", name, length, view->shape[0]);
    return NULL;
}

static float *matrix_of(Arrays *arrays, PyObject *object, const char *name, Py_ssize_t n_rows, Py_ssize_t n_columns,
                        int writable) {
    Py_buffer *view = view_of(arrays, object, name, "f", 2, writable);
    if (!view)
        return NULL;
    if (view->shape[0] == n_rows && view->shape[1] == n_columns)
        return view->buf;
    PyErr_Format(PyExc_ValueError, "%s: %zd x %zd numbers are needed; got %zd x %zd", name, n_rows, n_columns,
                 view->shape[0], view->shape[1]);
    return NULL;
}

static int weights_of(Arrays *arrays, PyObject *bias, PyObject *linear, PyObject *factors, int writable,
                      Weights *weights) {
    Py_buffer *view = view_of(arrays, factors, "factors", "f", 2, writable);
    if (!view)
        return 0;
    if (view->shape[0] < 1 || view->shape[0] > INT32_MAX || view->shape[1] < 1) {
        PyErr_SetString(PyExc_ValueError, "factors: at least one feature and one factor are needed");
        return 0;
    }
    weights->factors = view->buf;
    weights->n_features = (size_t)view->shape[0];
    weights->n_factors = (size_t)view->shape[1];
    weights->linear = items_of(arrays, linear, "linear", "f", view->shape[0], writable);
    weights->bias = weights->linear ? items_of(arrays, bias, "bias", "f", 1, writable) : NULL;
    return weights->bias != NULL;
}

static int rows_of(Arrays *arrays, PyObject *const given[3], size_t n_features, Rows *rows) {
    int dense = given[1] == Py_None;
    Py_buffer *values = view_of(arrays, given[0], "values", "f", dense ? 2 : 1, 0);
    if (!values)
        return 0;
    *rows = (Rows){.width = n_features, .values = values->buf};
    if (dense) {
        rows->n_rows = (size_t)values->shape[0];
        rows->width = (size_t)values->shape[1];
    } else {
        rows->columns = items_of(arrays, given[1], "columns", "i", values->shape[0], 0);
        Py_buffer *ends = rows->columns ? view_of(arrays, given[2], "ends", "lq", 1, 0) : NULL;
        if (!ends)
            return 0;
        rows->ends = ends->buf;
        rows->n_rows = (size_t)ends->shape[0] - 1;
        if (ends->itemsize != 8 || !ends->shape[0] || rows->ends[rows->n_rows] != values->shape[0]) {
            PyErr_SetString(PyExc_ValueError, "ends: where each row ends, after a 0, is needed");
            return 0;
        }
    }
    const char *fault = rows_fault(rows, n_features);
    if (fault)
        PyErr_Format(PyExc_ValueError, "rows of %zu features are needed; got %s", n_features, fault);
    return !fault;
}

static PyObject *scores(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *given[3], *bias, *linear, *factors, *answers;
    if (!PyArg_ParseTuple(args, "OOOOOOO", &given[0], &given[1], &given[2], &bias, &linear, &factors, &answers))
        return NULL;
    Arrays arrays = {.count = 0};
    Weights weights;
    Rows rows;
    float *target = NULL, *sums = NULL;
    if (weights_of(&arrays, bias, linear, factors, 0, &weights) && rows_of(&arrays, given, weights.n_features, &rows))
        target = items_of(&arrays, answers, "scores", "f", (Py_ssize_t)rows.n_rows, 1);
    if (target && !(sums = malloc(weights.n_factors * sizeof *sums)))
        PyErr_NoMemory();
    if (sums) {
        Py_BEGIN_ALLOW_THREADS
        scores_of(&weights, &rows, sums, target);
        Py_END_ALLOW_THREADS
    }
    free(sums);
    release(&arrays);
    return sums ? Py_NewRef(Py_None) : NULL;
}

static PyObject *machine_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs)) {
    PyObject *bias, *linear, *factors;
    Settings settings;
    float *rate = settings.rate, *decay = settings.decay;
    if (!PyArg_ParseTuple(args, "OOOi(fff)(fff)ff", &bias, &linear, &factors, &settings.loss, &rate[BIAS],
                          &rate[LINEAR], &rate[FACTORS], &decay[BIAS], &decay[LINEAR], &decay[FACTORS],
                          &settings.epsilon, &settings.clip))
        return NULL;
    if (settings.loss < 0 || settings.loss >= N_LOSSES)
        return PyErr_Format(PyExc_ValueError, "a loss below %d is needed; got %d", N_LOSSES, settings.loss);
    MachineObject *self = (MachineObject *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!self)
        return NULL;
    self->machine.settings = settings;
    if (weights_of(&self->arrays, bias, linear, factors, 1, &self->machine.weights)) {
        if (machine_make(&self->machine))
            return (PyObject *)self;
        PyErr_NoMemory();
    }
    Py_DECREF(self);
    return NULL;
}

static void machine_dealloc(PyObject *object) {
    MachineObject *self = (MachineObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    machine_free(&self->machine);
    release(&self->arrays);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static int labelled_rows(MachineObject *self, Arrays *arrays, PyObject *const given[5], Rows *rows, float **labels,
                         float **answers) {
    if (!rows_of(arrays, given, self->machine.weights.n_features, rows))
        return 0;
    *labels = items_of(arrays, given[3], "labels", "f", (Py_ssize_t)rows->n_rows, 0);
    *answers = *labels ? items_of(arrays, given[4], "scores", "f", (Py_ssize_t)rows->n_rows, 1) : NULL;
    return *answers != NULL;
}

static PyObject *train(PyObject *object, PyObject *args) {
    MachineObject *self = (MachineObject *)object;
    PyObject *given[5];
    Py_ssize_t size;
    float scale;
    if (!PyArg_ParseTuple(args, "OOOOOnf", &given[0], &given[1], &given[2], &given[3], &given[4], &size, &scale))
        return NULL;
    Arrays arrays = {.count = 0};
    Rows rows;
    float *labels, *answers;
    int fit = labelled_rows(self, &arrays, given, &rows, &labels, &answers);
    if (fit && (size < 1 || self->machine.gradient.n_rows)) {
        fit = 0;
        PyErr_SetString(PyExc_ValueError, "mini-batches of a row at least, and none begun, are needed");
    }
    if (fit && !(fit = machine_reserve(&self->machine, &rows, (size_t)size)))
        PyErr_NoMemory();
    if (fit) {
        Py_BEGIN_ALLOW_THREADS
        machine_train(&self->machine, &rows, (size_t)size, labels, scale, answers);
        Py_END_ALLOW_THREADS
    }
    release(&arrays);
    return fit ? Py_NewRef(Py_None) : NULL;
}

static PyObject *add(PyObject *object, PyObject *args) {
    MachineObject *self = (MachineObject *)object;
    PyObject *given[5];
    if (!PyArg_ParseTuple(args, "OOOOO", &given[0], &given[1], &given[2], &given[3], &given[4]))
        return NULL;
    Arrays arrays = {.count = 0};
    Rows rows;
    float *labels, *answers;
    int fit = labelled_rows(self, &arrays, given, &rows, &labels, &answers);
    if (fit && !(fit = machine_reserve(&self->machine, &rows, rows.n_rows ? rows.n_rows : 1)))
        PyErr_NoMemory();
    if (fit) {
        Py_BEGIN_ALLOW_THREADS
        machine_add(&self->machine, &rows, 0, rows.n_rows, labels, answers);
        Py_END_ALLOW_THREADS
    }
    release(&arrays);
    return fit ? PyLong_FromSize_t(self->machine.gradient.n_touched) : NULL;
}

static PyObject *take(PyObject *object, PyObject *args) {
    MachineObject *self = (MachineObject *)object;
    const Gradient *gradient = &self->machine.gradient;
    PyObject *given[3];
    if (!PyArg_ParseTuple(args, "OOO", &given[0], &given[1], &given[2]))
        return NULL;
    Arrays arrays = {.count = 0};
    Py_ssize_t count = (Py_ssize_t)gradient->n_touched, n = (Py_ssize_t)self->machine.weights.n_factors;
    int32_t *touched = items_of(&arrays, given[0], "touched", "i", count, 1);
    float *linear = touched ? items_of(&arrays, given[1], "linear", "f", count, 1) : NULL;
    float *factors = linear ? matrix_of(&arrays, given[2], "factors", count, n, 1) : NULL;
    double bias = gradient->bias;
    if (factors && count) {
        memcpy(touched, gradient->touched, gradient->n_touched * sizeof *touched);
        memcpy(linear, gradient->linear, gradient->n_touched * sizeof *linear);
        memcpy(factors, gradient->factors, gradient->n_touched * (size_t)n * sizeof *factors);
    }
    if (factors)
        machine_clear(&self->machine);
    release(&arrays);
    return factors ? PyFloat_FromDouble(bias) : NULL;
}

/* Whether the features are below their number and rise, so that none is there twice. */
static int rising(const int32_t *touched, Py_ssize_t count, size_t n_features) {
    for (Py_ssize_t at = 0; at < count; at++)
        if (touched[at] < 0 || (size_t)touched[at] >= n_features || (at && touched[at] <= touched[at - 1]))
            return 0;
    return 1;
}

static PyObject *step(PyObject *object, PyObject *args) {
    Machine *machine = &((MachineObject *)object)->machine;
    PyObject *given[3];
    double bias;
    float scale;
    if (!PyArg_ParseTuple(args, "OdOOf", &given[0], &bias, &given[1], &given[2], &scale))
        return NULL;
    Arrays arrays = {.count = 0};
    Py_buffer *touched = view_of(&arrays, given[0], "touched", "i", 1, 0);
    Py_ssize_t count = touched ? touched->shape[0] : 0;
    float *linear = touched ? items_of(&arrays, given[1], "linear", "f", count, 0) : NULL;
    float *factors =
        linear ? matrix_of(&arrays, given[2], "factors", count, (Py_ssize_t)machine->weights.n_factors, 0) : NULL;
    int fit = factors != NULL;
    if (fit && !(fit = rising(touched->buf, count, machine->weights.n_features)))
        PyErr_SetString(PyExc_ValueError, "touched: rising numbers of features are needed");
    if (fit) {
        Py_BEGIN_ALLOW_THREADS
        machine_step(machine, touched->buf, (size_t)count, bias, linear, factors, scale);
        Py_END_ALLOW_THREADS
    }
    release(&arrays);
    return fit ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef METHODS[] = {
    {"train", train, METH_VARARGS, NULL},
    {"add", add, METH_VARARGS, NULL},
    {"take", take, METH_VARARGS, NULL},
    {"step", step, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot SLOTS[] = {
    {Py_tp_new, machine_new},
    {Py_tp_dealloc, machine_dealloc},
    {Py_tp_methods, METHODS},
    {0, NULL},
};

static PyType_Spec SPEC = {
    .name = "sagecask_vectors.factorization_machines.native._compiled.Machine",
    .basicsize = sizeof(MachineObject),
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

static PyMethodDef FUNCTIONS[] = {{"scores", scores, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyModuleDef_Slot MODULE_SLOTS[] = {{Py_mod_exec, prepare}, {0, NULL}};

static PyModuleDef DEFINITION = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_compiled",
    .m_doc = "Factorization machines.",
    .m_methods = FUNCTIONS,
    .m_slots = MODULE_SLOTS,
};

PyMODINIT_FUNC PyInit__compiled(void) {
    return PyModuleDef_Init(&DEFINITION);
}
