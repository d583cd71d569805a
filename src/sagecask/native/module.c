/* The Python face of the core: buffers in, buffers filled, the interpreter's lock released in between. What the
 * functions take and return is described in interface.py.
 * Arguments of a wrong kind are a mistake of the calling code and raise TypeError or ValueError; what is wrong with
 * the data is told by the values returned. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "core.h"

typedef struct {
    Py_buffer views[6];
    int count;
} Views;

static void release(Views *views) {
    while (views->count)
        PyBuffer_Release(&views->views[--views->count]);
}

static Py_buffer *get_view(Views *views, PyObject *object, int flags) {
    Py_buffer *buffer = &views->views[views->count];
    if (PyObject_GetBuffer(object, buffer, flags) < 0)
        return NULL;
    views->count++;
    return buffer;
}

/* The bytes of an argument, or NULL with an exception. */
static Py_buffer *bytes_of(Views *views, PyObject *object) {
    return get_view(views, object, PyBUF_SIMPLE);
}

/* A writable C-contiguous array of items in one of the formats, or NULL with an exception. */
static Py_buffer *array_of(Views *views, PyObject *object, int dimensions, const char *formats) {
    Py_buffer *buffer = get_view(views, object, PyBUF_ND | PyBUF_WRITABLE | PyBUF_FORMAT);
    if (!buffer)
        return NULL;
    const char *format = buffer->format ? buffer->format : "B";
    if (buffer->ndim == dimensions && *format && !format[1] && strchr(formats, *format))
        return buffer;
    PyErr_Format(PyExc_TypeError, "an array of %d dimensions of %s is needed; got %d of %s", dimensions, formats,
                 buffer->ndim, format);
    return NULL;
}

#define FLOATS "f"
#define INT32S "i"
#define INT64S (sizeof(long) == 8 ? "lq" : "q")

/* A matrix without columns has room for any number of rows. */
static size_t rows_of(const Py_buffer *matrix) {
    return matrix->shape[1] ? (size_t)matrix->shape[0] : SIZE_MAX;
}

static size_t length(const Py_buffer *array) {
    return (size_t)array->shape[0];
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* The three arrays of a CSR matrix; 0 with an exception. */
typedef struct {
    Py_buffer *data, *indices, *indptr;
} Csr;

static int csr_of(Views *views, PyObject *arrays[3], Csr *csr) {
    csr->data = array_of(views, arrays[0], 1, FLOATS);
    csr->indices = csr->data ? array_of(views, arrays[1], 1, INT32S) : NULL;
    csr->indptr = csr->indices ? array_of(views, arrays[2], 1, INT64S) : NULL;
    if (!csr->indptr)
        return 0;
    if (length(csr->indptr))
        return 1;
    PyErr_SetString(PyExc_ValueError, "indptr of an item more than there are rows is needed; got none");
    return 0;
}

static PyObject *count(PyObject *text, uint8_t wanted, int with_last) {
    Views views = {.count = 0};
    Py_buffer *bytes = bytes_of(&views, text);
    if (!bytes)
        return NULL;
    const uint8_t *first = bytes->buf;
    size_t total, size = (size_t)bytes->len;
    Py_BEGIN_ALLOW_THREADS
    total = count_byte(first, size, wanted) + (with_last && size && first[size - 1] != wanted);
    Py_END_ALLOW_THREADS
    release(&views);
    return PyLong_FromSize_t(total);
}

static PyObject *py_count_lines(PyObject *Py_UNUSED(module), PyObject *text) {
    return count(text, '\n', 1);
}

static PyObject *py_count_entries(PyObject *Py_UNUSED(module), PyObject *text) {
    return count(text, ':', 0);
}

static PyObject *py_csv(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *text, *leads, *others, *result = NULL;
    int delimiter;
    Views views = {.count = 0};
    if (!PyArg_ParseTuple(args, "OiOO", &text, &delimiter, &leads, &others))
        return NULL;
    Py_buffer *bytes = bytes_of(&views, text);
    Py_buffer *lead = bytes ? array_of(&views, leads, 2, FLOATS) : NULL;
    Py_buffer *features = lead ? array_of(&views, others, 2, FLOATS) : NULL;
    if (features && (delimiter < 0 || delimiter > 127 || lead->shape[1] + features->shape[1] == 0)) {
        PyErr_SetString(PyExc_ValueError, "a column and an ASCII delimiter are needed");
    } else if (features) {
        CsvRows out = {
            .lead = lead->buf,
            .n_lead = (size_t)lead->shape[1],
            .features = features->buf,
            .n_features = (size_t)features->shape[1],
            .capacity = least(rows_of(lead), rows_of(features)),
        };
        TextEnd end;
        Py_BEGIN_ALLOW_THREADS
        end = csv_rows(bytes->buf, (size_t)bytes->len, (uint8_t)delimiter, &out);
        Py_END_ALLOW_THREADS
        result = Py_BuildValue("nnni", end.rows, end.offset, end.column, end.why);
    }
    release(&views);
    return result;
}

static PyObject *py_libsvm(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *text, *firsts, *seconds, *arrays[3], *result = NULL;
    int labelled;
    Views views = {.count = 0};
    Csr csr;
    if (!PyArg_ParseTuple(args, "OpOO(OOO)", &text, &labelled, &firsts, &seconds, &arrays[0], &arrays[1], &arrays[2]))
        return NULL;
    Py_buffer *bytes = bytes_of(&views, text);
    Py_buffer *labels = bytes ? array_of(&views, firsts, 1, FLOATS) : NULL;
    Py_buffer *weights = labels ? array_of(&views, seconds, 1, FLOATS) : NULL;
    if (weights && csr_of(&views, arrays, &csr)) {
        SvmRows out = {
            .labelled = labelled,
            .labels = labels->buf,
            .weights = weights->buf,
            .capacity = least(length(csr.indptr) - 1, labelled ? least(length(labels), length(weights)) : SIZE_MAX),
            .data = csr.data->buf,
            .indices = csr.indices->buf,
            .room = least(length(csr.data), length(csr.indices)),
            .indptr = csr.indptr->buf,
        };
        TextEnd end;
        Py_BEGIN_ALLOW_THREADS
        end = libsvm_rows(bytes->buf, (size_t)bytes->len, &out);
        Py_END_ALLOW_THREADS
        result = Py_BuildValue("nnniLnO", end.rows, end.offset, end.column, end.why, (long long)out.highest, out.weighted,
                               out.ascending ? Py_True : Py_False);
    }
    release(&views);
    return result;
}

static PyObject *py_frames(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *buffer;
    Py_ssize_t max_records, max_bytes;
    Views views = {.count = 0};
    if (!PyArg_ParseTuple(args, "Onn", &buffer, &max_records, &max_bytes))
        return NULL;
    Py_buffer *bytes = bytes_of(&views, buffer);
    if (!bytes)
        return NULL;
    int why;
    RecordEnd end;
    Py_BEGIN_ALLOW_THREADS
    end = frames(bytes->buf, (size_t)bytes->len, (size_t)max_records, (size_t)max_bytes, &why);
    Py_END_ALLOW_THREADS
    release(&views);
    return Py_BuildValue("nni", end.rows, end.offset, why);
}

static PyObject *py_record(PyObject *Py_UNUSED(module), PyObject *buffer) {
    Views views = {.count = 0};
    Py_buffer *bytes = bytes_of(&views, buffer);
    if (!bytes)
        return NULL;
    Record record;
    int known = record_at(bytes->buf, (size_t)bytes->len, 0, &record);
    release(&views);
    if (!known)
        return Py_NewRef(Py_None);
    const Tensor *f = &record.features;
    PyObject *shape = f->shapes == 1 ? PyLong_FromUnsignedLongLong(f->shape) : Py_NewRef(Py_None);
    return shape ? Py_BuildValue("nONn", f->values, f->keyed ? Py_True : Py_False, shape, record.label.values) : NULL;
}

static PyObject *py_dense(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *buffer, *firsts, *seconds, *result = NULL;
    Views views = {.count = 0};
    if (!PyArg_ParseTuple(args, "OOO", &buffer, &firsts, &seconds))
        return NULL;
    Py_buffer *bytes = bytes_of(&views, buffer);
    Py_buffer *features = bytes ? array_of(&views, firsts, 2, FLOATS) : NULL;
    Py_buffer *labels = features ? array_of(&views, seconds, 2, FLOATS) : NULL;
    if (labels) {
        DenseRows out = {
            .features = features->buf,
            .n_features = (size_t)features->shape[1],
            .labels = labels->buf,
            .n_labels = (size_t)labels->shape[1],
            .capacity = least(rows_of(features), rows_of(labels)),
        };
        RecordEnd end;
        Py_BEGIN_ALLOW_THREADS
        end = dense_rows(bytes->buf, (size_t)bytes->len, &out);
        Py_END_ALLOW_THREADS
        result = Py_BuildValue("nn", end.rows, end.offset);
    }
    release(&views);
    return result;
}

static int good_width(Py_ssize_t width) {
    if (width > 0 && width <= INT32_MAX)
        return 1;
    PyErr_SetString(PyExc_ValueError, "a width of 31 bits is needed");
    return 0;
}

static PyObject *py_sparse_count(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *buffer;
    Py_ssize_t width, n_labels;
    Views views = {.count = 0};
    if (!PyArg_ParseTuple(args, "Onn", &buffer, &width, &n_labels) || !good_width(width))
        return NULL;
    Py_buffer *bytes = bytes_of(&views, buffer);
    if (!bytes)
        return NULL;
    size_t entries;
    RecordEnd end;
    Py_BEGIN_ALLOW_THREADS
    end = sparse_count(bytes->buf, (size_t)bytes->len, width, (size_t)n_labels, &entries);
    Py_END_ALLOW_THREADS
    release(&views);
    return Py_BuildValue("nnn", end.rows, entries, end.offset);
}

static PyObject *py_sparse(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *buffer, *firsts, *arrays[3], *result = NULL;
    Py_ssize_t width;
    Views views = {.count = 0};
    Csr csr;
    if (!PyArg_ParseTuple(args, "OnO(OOO)", &buffer, &width, &firsts, &arrays[0], &arrays[1], &arrays[2]) || !good_width(width))
        return NULL;
    Py_buffer *bytes = bytes_of(&views, buffer);
    Py_buffer *labels = bytes ? array_of(&views, firsts, 2, FLOATS) : NULL;
    if (labels && csr_of(&views, arrays, &csr)) {
        SparseRows out = {
            .width = width,
            .labels = labels->buf,
            .n_labels = (size_t)labels->shape[1],
            .capacity = least(rows_of(labels), length(csr.indptr) - 1),
            .data = csr.data->buf,
            .indices = csr.indices->buf,
            .room = least(length(csr.data), length(csr.indices)),
            .indptr = csr.indptr->buf,
        };
        RecordEnd end;
        Py_BEGIN_ALLOW_THREADS
        end = sparse_rows(bytes->buf, (size_t)bytes->len, &out);
        Py_END_ALLOW_THREADS
        result = Py_BuildValue("nnO", end.rows, end.offset, out.ascending ? Py_True : Py_False);
    }
    release(&views);
    return result;
}

static PyMethodDef METHODS[] = {
    {"count_lines", py_count_lines, METH_O, NULL},
    {"count_entries", py_count_entries, METH_O, NULL},
    {"csv", py_csv, METH_VARARGS, NULL},
    {"libsvm", py_libsvm, METH_VARARGS, NULL},
    {"frames", py_frames, METH_VARARGS, NULL},
    {"record", py_record, METH_O, NULL},
    {"dense", py_dense, METH_VARARGS, NULL},
    {"sparse_count", py_sparse_count, METH_VARARGS, NULL},
    {"sparse", py_sparse, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef DEFINITION = {
    PyModuleDef_HEAD_INIT, .m_name = "_core", .m_doc = "Whole-buffer parsers.", .m_size = 0, .m_methods = METHODS,
};

PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&DEFINITION);
}
