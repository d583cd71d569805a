/* The Python face of the recurrent layers: arrays are looked at here, and the interpreter's lock is released while they
 * are worked on. Arguments of a wrong kind are a mistake of the calling code and raise TypeError or ValueError. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "recurrent.h"

enum { MOST_BUFFERS = 3 * MOST_LAYERS + 16 };

/* The arrays of one call. */
typedef struct {
    Py_buffer views[MOST_BUFFERS];
    int count, failed;
} Held;

static void let_go(Held *held) {
    while (held->count)
        PyBuffer_Release(&held->views[--held->count]);
}

/* The numbers of a C-contiguous array of `count` numbers; NULL for None, and with an exception in `failed`. */
static void *numbers(Held *held, PyObject *object, const char *name, char kind, size_t count, int writable) {
    if (held->failed || object == Py_None)
        return NULL;
    Py_buffer *view = &held->views[held->count];
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, view, flags) < 0) {
        held->failed = 1;
        return NULL;
    }
    held->count++;
    size_t width = kind == 'f' ? sizeof(float) : sizeof(int64_t);
    const char *format = view->format ? view->format : "B";
    int right = kind == 'f' ? !strcmp(format, "f") : !strcmp(format, "l") || !strcmp(format, "q");
    if (right && (size_t)view->itemsize == width && (size_t)view->len == count * width)
        return view->buf;
    PyErr_Format(PyExc_ValueError, "%s: %zu numbers of kind %c are needed; got %zd bytes of %s", name, count, kind,
                 view->len, format);
    held->failed = 1;
    return NULL;
}

static void *needed(Held *held, PyObject *object, const char *name, char kind, size_t count, int writable) {
    if (!held->failed && object == Py_None) {
        PyErr_Format(PyExc_TypeError, "%s: an array is needed; got None", name);
        held->failed = 1;
    }
    return numbers(held, object, name, kind, count, writable);
}

static int within(size_t value, size_t least, size_t most, const char *name) {
    if (value >= least && value <= most)
        return 1;
    PyErr_Format(PyExc_ValueError, "%s: %zu to %zu is needed; got %zu", name, least, most, value);
    return 0;
}

/* The sizes, and the kernels for vectors of so many lanes, 0 for the widest that this machine has. */
static int sizes_of(PyObject *given, Sizes *s, const Kernels **kernels) {
    Py_ssize_t n[9];
    const size_t most = (size_t)1 << 31;
    if (!PyTuple_Check(given) || !PyArg_ParseTuple(given, "nnnnnnnnn", n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6,
                                                   n + 7, n + 8)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "sizes: a tuple is needed");
        return 0;
    }
    *s = (Sizes){(size_t)n[0], (size_t)n[1], (size_t)n[2], (size_t)n[3],
                 (size_t)n[4], (size_t)n[5], (size_t)n[6], (size_t)n[7]};
    *kernels = kernels_for((size_t)n[8]);
    if (!*kernels) {
        PyErr_Format(PyExc_ValueError, "lanes: 0, 4, or 8 or 16 where this machine has them, are needed; got %zd", n[8]);
        return 0;
    }
    return within(s->rows, 1, most, "rows") && within(s->steps, 1, most, "steps") &&
           within(s->points, 0, most, "points") && within(s->lags, 0, most, "lags") &&
           within(s->features, 0, most, "features") && within(s->cells, 1, 1 << 16, "cells") &&
           within(s->layers, 1, MOST_LAYERS, "layers") && within(s->outputs, 1, MOST_OUTPUTS, "outputs");
}

static int part_of(const Sizes *s, Py_ssize_t first, Py_ssize_t last) {
    if (0 <= first && first <= last && (size_t)last <= blocks_of(s->rows))
        return 1;
    PyErr_SetString(PyExc_ValueError, "blocks: a range of those of the rows is needed");
    return 0;
}

static int zoneout_of(PyObject *given, Zoneout *zoneout) {
    unsigned int first, second, threshold;
    if (!PyTuple_Check(given) ||
        !PyArg_ParseTuple(given, "IIIf", &first, &second, &threshold, &zoneout->keep)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "zoneout: a tuple is needed");
        return 0;
    }
    zoneout->first = first;
    zoneout->second = second;
    zoneout->threshold = threshold;
    return 1;
}

static PyObject *ended(Held *held, int result) {
    let_go(held);
    if (held->failed)
        return NULL;
    return result ? PyErr_NoMemory() : Py_NewRef(Py_None);
}

static PyObject *measure(PyObject *Py_UNUSED(module), PyObject *given) {
    Sizes s;
    const Kernels *kernels;
    if (!sizes_of(given, &s, &kernels))
        return NULL;
    return Py_BuildValue("(nnn)", (Py_ssize_t)packed_size(&s), (Py_ssize_t)tape_of(&s).total,
                         (Py_ssize_t)share_of(&s).total);
}

static PyObject *pack_weights(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *given_sizes, *weights, *packed;
    Sizes s;
    const Kernels *kernels;
    Held held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OO!O", &given_sizes, &PyTuple_Type, &weights, &packed) ||
        !sizes_of(given_sizes, &s, &kernels))
        return NULL;
    if ((size_t)PyTuple_Size(weights) != 3 * s.layers + 2) {
        PyErr_SetString(PyExc_ValueError, "weights: three arrays a layer and two of the head are needed");
        return NULL;
    }
    const float *of[3 * MOST_LAYERS + 2];
    for (size_t l = 0; l < s.layers; l++) {
        size_t counts[3] = {layer_inputs(&s, l), s.cells, 1};
        for (size_t i = 0; i < 3; i++)
            of[3 * l + i] = needed(&held, PyTuple_GetItem(weights, (Py_ssize_t)(3 * l + i)), "weights", 'f',
                                   GATES * s.cells * counts[i], 0);
    }
    for (size_t i = 0; i < 2; i++)
        of[3 * s.layers + i] = needed(&held, PyTuple_GetItem(weights, (Py_ssize_t)(3 * s.layers + i)), "head", 'f',
                                      s.outputs * (i ? 1 : s.cells), 0);
    float *to = needed(&held, packed, "packed", 'f', packed_size(&s), 1);
    if (!held.failed)
        pack(&s, of, to);
    return ended(&held, 0);
}

static PyObject *spread_state(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *given_sizes, *encoded, *state;
    Py_ssize_t per_series;
    Sizes s;
    const Kernels *kernels;
    Held held = {.count = 0};
    if (!PyArg_ParseTuple(args, "OOnO", &given_sizes, &encoded, &per_series, &state) ||
        !sizes_of(given_sizes, &s, &kernels))
        return NULL;
    if (per_series < 1 || s.rows % (size_t)per_series) {
        PyErr_SetString(PyExc_ValueError, "per_series: a divisor of rows is needed");
        return NULL;
    }
    size_t width = s.layers * 2 * s.cells;
    const float *from = needed(&held, encoded, "encoded", 'f', s.rows / (size_t)per_series * width, 0);
    float *to = needed(&held, state, "state", 'f', blocks_of(s.rows) * ROWS * width, 1);
    if (!held.failed) {
        Py_BEGIN_ALLOW_THREADS
        spread(&s, from, (size_t)per_series, to);
        Py_END_ALLOW_THREADS
    }
    return ended(&held, 0);
}

/* Each lag's points must lie in the history. */
static void look_at_places(Held *held, const int64_t *places, const Sizes *s) {
    for (size_t k = 0; !held->failed && k < s->lags; k++)
        if (places[k] < 0 || (size_t)places[k] + s->steps > s->points) {
            PyErr_SetString(PyExc_ValueError, "places: points of the history are needed");
            held->failed = 1;
        }
}

static PyObject *forward(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *given_sizes, *packed, *history, *places, *features, *base, *given_zoneout, *tape, *raw, *state;
    Py_ssize_t first, last;
    Sizes s;
    const Kernels *kernels;
    Held held = {.count = 0};
    Passing p;
    if (!PyArg_ParseTuple(args, "OOOOOOOOOOnn", &given_sizes, &packed, &history, &places, &features, &base,
                          &given_zoneout, &tape, &raw, &state, &first, &last) ||
        !sizes_of(given_sizes, &s, &kernels) || !part_of(&s, first, last) || !zoneout_of(given_zoneout, &p.zoneout))
        return NULL;
    const float *weights = needed(&held, packed, "packed", 'f', packed_size(&s), 0);
    p.history = needed(&held, history, "history", 'f', s.rows * s.points, 0);
    p.places = needed(&held, places, "places", 'l', s.lags, 0);
    p.features = needed(&held, features, "features", 'f', s.rows * s.steps * s.features, 0);
    p.base = needed(&held, base, "base", 'f', s.rows * GATES * s.cells, 0);
    p.tape = numbers(&held, tape, "tape", 'f', blocks_of(s.rows) * tape_of(&s).total, 1);
    p.raw = numbers(&held, raw, "raw", 'f', s.rows * s.steps * s.outputs, 1);
    p.state = numbers(&held, state, "state", 'f', s.rows * s.layers * 2 * s.cells, 1);
    look_at_places(&held, p.places, &s);
    int result = 0;
    if (!held.failed) {
        Network network = packed_network(&s, weights);
        Py_BEGIN_ALLOW_THREADS
        result = kernels->pass(&network, &p, (size_t)first, (size_t)last);
        Py_END_ALLOW_THREADS
    }
    return ended(&held, result);
}

static PyObject *backward(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *given_sizes, *packed, *tape, *raw_gradient, *given_zoneout, *base_gradient, *share;
    Py_ssize_t first, last;
    Sizes s;
    const Kernels *kernels;
    Held held = {.count = 0};
    Returning p;
    if (!PyArg_ParseTuple(args, "OOOOOOOnn", &given_sizes, &packed, &tape, &raw_gradient, &given_zoneout,
                          &base_gradient, &share, &first, &last) ||
        !sizes_of(given_sizes, &s, &kernels) || !part_of(&s, first, last) || !zoneout_of(given_zoneout, &p.zoneout))
        return NULL;
    const float *weights = needed(&held, packed, "packed", 'f', packed_size(&s), 0);
    p.tape = needed(&held, tape, "tape", 'f', blocks_of(s.rows) * tape_of(&s).total, 1);
    p.raw_gradient = needed(&held, raw_gradient, "raw_gradient", 'f', s.rows * s.steps * s.outputs, 0);
    p.base_gradient = needed(&held, base_gradient, "base_gradient", 'f', s.rows * GATES * s.cells, 1);
    p.share = needed(&held, share, "share", 'f', share_of(&s).total, 1);
    int result = 0;
    if (!held.failed) {
        Network network = packed_network(&s, weights);
        Py_BEGIN_ALLOW_THREADS
        result = kernels->go_back(&network, &p, (size_t)first, (size_t)last);
        Py_END_ALLOW_THREADS
    }
    return ended(&held, result);
}

static PyObject *sample(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *given_sizes, *packed, *common, *drawn, *lags, *given_zoneout, *state, *raw;
    Py_ssize_t per_series, step, first, last;
    Sizes s;
    const Kernels *kernels;
    Held held = {.count = 0};
    Sampling p;
    if (!PyArg_ParseTuple(args, "OOnnOOOOOOnn", &given_sizes, &packed, &per_series, &step, &common, &drawn, &lags,
                          &given_zoneout, &state, &raw, &first, &last) ||
        !sizes_of(given_sizes, &s, &kernels) || !part_of(&s, first, last) || !zoneout_of(given_zoneout, &p.zoneout))
        return NULL;
    if (per_series < 1 || s.rows % (size_t)per_series || step < 0 || (size_t)step >= s.steps) {
        PyErr_SetString(PyExc_ValueError, "per_series, step: a divisor of rows and one of the steps are needed");
        return NULL;
    }
    p.per_series = (size_t)per_series;
    p.step = (size_t)step;
    p.stride = blocks_of(s.rows) * ROWS;
    const float *weights = needed(&held, packed, "packed", 'f', packed_size(&s), 0);
    p.common = needed(&held, common, "common", 'f', s.rows / p.per_series * GATES * s.cells, 0);
    p.drawn = needed(&held, drawn, "drawn", 'f', s.steps * p.stride, 0);
    p.lags = needed(&held, lags, "lags", 'l', s.lags, 0);
    p.state = needed(&held, state, "state", 'f', p.stride * s.layers * 2 * s.cells, 1);
    p.raw = needed(&held, raw, "raw", 'f', s.outputs * p.stride, 1);
    for (size_t k = 0; !held.failed && k < s.lags; k++)
        if (p.lags[k] < 1 || (k && p.lags[k] <= p.lags[k - 1])) {
            PyErr_SetString(PyExc_ValueError, "lags: ascending numbers from 1 are needed");
            held.failed = 1;
        }
    int result = 0;
    if (!held.failed) {
        Network network = packed_network(&s, weights);
        Py_BEGIN_ALLOW_THREADS
        result = kernels->sample(&network, &p, (size_t)first, (size_t)last);
        Py_END_ALLOW_THREADS
    }
    return ended(&held, result);
}

static PyObject *squash(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *from, *sigmoid, *tanh;
    Py_ssize_t count, lanes;
    Held held = {.count = 0};
    if (!PyArg_ParseTuple(args, "nnOOO", &lanes, &count, &from, &sigmoid, &tanh))
        return NULL;
    const Kernels *kernels = kernels_for((size_t)lanes);
    if (!kernels || count < 0) {
        PyErr_SetString(PyExc_ValueError, "lanes, count: lanes of this machine and a number are needed");
        return NULL;
    }
    const float *x = needed(&held, from, "from", 'f', (size_t)count, 0);
    float *one = needed(&held, sigmoid, "sigmoid", 'f', (size_t)count, 1);
    float *two = needed(&held, tanh, "tanh", 'f', (size_t)count, 1);
    if (!held.failed)
        kernels->squash(x, (size_t)count, one, two);
    return ended(&held, 0);
}

static PyMethodDef methods[] = {
    {"measure", measure, METH_O, "measure(sizes)\n--\n\nSee __init__.py."},
    {"pack", pack_weights, METH_VARARGS, "pack(sizes, weights, packed)\n--\n\nSee __init__.py."},
    {"spread", spread_state, METH_VARARGS, "spread(sizes, encoded, per_series, state)\n--\n\nSee __init__.py."},
    {"forward", forward, METH_VARARGS, "See __init__.py."},
    {"backward", backward, METH_VARARGS, "See __init__.py."},
    {"sample", sample, METH_VARARGS, "See __init__.py."},
    {"squash", squash, METH_VARARGS, "squash(lanes, count, values, sigmoid, tanh)\n--\n\nSee __init__.py."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_compiled",
    .m_doc = "Recurrent layers of DeepAR.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__compiled(void) {
    return PyModuleDef_Init(&definition);
}
