/* One framed protobuf record: where its feature and label tensors lie. Understands whole frames (flag 0), one
 * tensor under the key `values` in each map, packed and unpacked numbers and fields in any order, and skips unknown
 * ones; of what protobuf would merge or join (a field given twice, groups) it keeps out. */
#include "record.h"

typedef struct {
    const uint8_t *p, *end;
} Span;

typedef struct {
    uint32_t number;
    uint32_t wire;
    Span bytes;         /* of a length-delimited field; else of the number itself */
} Field;

/* The next field of a message: 1, or 0 where the message is odd. */
static int any_field(Span *message, Field *field) {
    uint64_t tag, size;
    if (!read_varint(&message->p, message->end, &tag) || tag > UINT32_MAX || tag < 8)
        return 0;
    field->number = (uint32_t)tag >> 3;
    field->wire = (uint32_t)tag & 7;
    const uint8_t *start = message->p;
    switch (field->wire) {
    case WIRE_VARINT:
        if (!read_varint(&message->p, message->end, &size))
            return 0;
        field->bytes = (Span){start, message->p};
        return 1;
    case WIRE_64:
        size = 8;
        break;
    case WIRE_32:
        size = 4;
        break;
    case WIRE_BYTES:
        if (!read_varint(&message->p, message->end, &size))
            return 0;
        start = message->p;
        break;
    default:
        return 0;
    }
    if (size > (uint64_t)(message->end - start))
        return 0;
    message->p = start + size;
    field->bytes = (Span){start, message->p};
    return 1;
}

/* The same, the short way for what most fields are: some bytes, tag and size in three at most. */
static inline int next_field(Span *message, Field *field) {
    const uint8_t *p = message->p;
    size_t left = (size_t)(message->end - p);
    if (LIKELY(left >= 3 && p[0] < 0x80 && p[0] >= 8 && (p[0] & 7) == WIRE_BYTES && (p[1] < 0x80 || p[2] < 0x80))) {
        size_t two = p[1] >> 7, size = (p[1] & 0x7fU) | (two ? (size_t)p[2] << 7 : 0), head = 2 + two;
        if (UNLIKELY(size > left - head))
            return 0;
        field->number = p[0] >> 3;
        field->wire = WIRE_BYTES;
        field->bytes = (Span){p + head, p + head + size};
        message->p = field->bytes.end;
        return 1;
    }
    return any_field(message, field);
}

/* How many varints the bytes hold, SIZE_MAX where the last one is cut off. Their lengths are checked when read. */
static size_t count_varints(Span bytes) {
    size_t count = 0;
    const uint8_t *p = bytes.p;
    if (p < bytes.end && bytes.end[-1] & 0x80)
        return SIZE_MAX;
    for (; bytes.end - p >= 8; p += 8)
        count += (size_t)(((~load64(p) & STOP_BITS) >> 7) * 0x0101010101010101ULL >> 56);
    for (; p < bytes.end; p++)
        count += *p < 0x80;
    return count;
}

static int read_values(const uint8_t *buffer, const Field *field, Tensor *tensor) {
    size_t size = (size_t)(field->bytes.end - field->bytes.p);
    uint32_t width = tensor->type == TENSOR_FLOAT64 ? 8 : 4;
    uint32_t single = tensor->type == TENSOR_INT32 ? WIRE_VARINT : width == 8 ? WIRE_64 : WIRE_32;
    size_t count = 1;
    if (field->wire == WIRE_BYTES) {
        count = tensor->type == TENSOR_INT32 ? count_varints(field->bytes) : size % width ? SIZE_MAX : size / width;
        if (count == SIZE_MAX)
            return 0;
        tensor->run = tensor->values ? 0 : (size_t)(field->bytes.p - buffer);
        tensor->run_size = size;
    } else if (field->wire == single) {
        tensor->run = 0;
    } else {
        return 0;
    }
    tensor->values += count;
    return 1;
}

static int read_shape(Span bytes, Tensor *tensor) {
    for (; bytes.p < bytes.end; tensor->shapes++)
        if (!read_varint(&bytes.p, bytes.end, &tensor->shape))
            return 0;
    return 1;
}

static int read_tensor(const uint8_t *buffer, Span message, Tensor *tensor) {
    tensor->begin = (size_t)(message.p - buffer);
    tensor->end = (size_t)(message.end - buffer);
    while (message.p < message.end) {
        Field field;
        if (!next_field(&message, &field))
            return 0;
        if (field.number == FIELD_VALUES && !read_values(buffer, &field, tensor))
            return 0;
        if (field.number != FIELD_KEYS && field.number != FIELD_SHAPE)
            continue;
        if (field.wire != WIRE_BYTES && field.wire != WIRE_VARINT)
            return 0;
        if (field.number == FIELD_KEYS)
            tensor->keyed |= field.bytes.p < field.bytes.end;
        else if (!read_shape(field.bytes, tensor))
            return 0;
    }
    return 1;
}

/* A message Value: exactly one tensor. */
static int read_value(const uint8_t *buffer, Span message, Tensor *tensor) {
    while (message.p < message.end) {
        Field field;
        if (!next_field(&message, &field))
            return 0;
        int type = (int)field.number;
        if (type == 9)
            return 0;
        if (type != TENSOR_FLOAT32 && type != TENSOR_FLOAT64 && type != TENSOR_INT32)
            continue;
        if (field.wire != WIRE_BYTES || tensor->type)
            return 0;
        tensor->type = type;
        if (!read_tensor(buffer, field.bytes, tensor))
            return 0;
    }
    return tensor->type != TENSOR_ABSENT;
}

/* A map entry: the key `values` and one Value. */
static int read_entry(const uint8_t *buffer, Span message, Tensor *tensor) {
    int keys = 0, values = 0;
    while (message.p < message.end) {
        Field field;
        if (!next_field(&message, &field))
            return 0;
        /* protobuf's own parser does not keep an entry with a field that it does not know */
        if (field.number > 2 || field.wire != WIRE_BYTES)
            return 0;
        if (field.number == 1) {
            if (keys++ || field.bytes.end - field.bytes.p != 6 || memcmp(field.bytes.p, "values", 6) != 0)
                return 0;
        } else if (values++ || !read_value(buffer, field.bytes, tensor)) {
            return 0;
        }
    }
    return keys && values;
}

RecordEnd frames(const uint8_t *buffer, size_t size, size_t max_records, size_t max_bytes, int *why) {
    RecordEnd end = {.offset = 0};
    size_t bytes = 0, length = 0, step = 0;
    uint64_t head = 0;
    while (end.rows < max_records && bytes < max_bytes) {
        *why = FRAMES_CUT;
        if (size - end.offset < FRAME_BYTES)
            return end;
        /* where one follows another of its length, its place is known before that is read */
        if (!step || load64(buffer + end.offset) != head) {
            head = load64(buffer + end.offset);
            length = head >> 32;
            *why = FRAMES_ODD;
            if ((uint32_t)head != FRAME_MAGIC || length >> 29)
                return end;
            step = FRAME_BYTES + padded(length);
        }
        *why = FRAMES_CUT;
        if (step > size - end.offset)
            return end;
        end.rows++;
        end.offset += step;
        bytes += length;
    }
    *why = FRAMES_ENOUGH;
    return end;
}

int record_at(const uint8_t *buffer, size_t size, size_t at, Record *record) {
    memset(record, 0, sizeof *record);
    size_t length = at > size ? SIZE_MAX : whole_frame(buffer + at, size - at);
    if (length == SIZE_MAX)
        return 0;
    Span message = {buffer + at + FRAME_BYTES, buffer + at + FRAME_BYTES + length};
    record->next = at + FRAME_BYTES + padded(length);
    while (message.p < message.end) {
        Field field;
        if (!next_field(&message, &field))
            return 0;
        if (field.number > 5)
            continue;
        if (field.wire != WIRE_BYTES)
            return 0;
        if (field.number > 2)
            continue;
        Tensor *tensor = field.number == 1 ? &record->features : &record->label;
        if (tensor->type || !read_entry(buffer, field.bytes, tensor))
            return 0;
    }
    return record->features.type != TENSOR_ABSENT;
}

static int copy_piece(const Tensor *tensor, const Field *field, float **to) {
    const uint8_t *p = field->bytes.p, *end = field->bytes.end;
    if (tensor->type == TENSOR_FLOAT32) {
        memcpy(*to, p, (size_t)(end - p));
        *to += (end - p) / 4;
    } else if (tensor->type == TENSOR_FLOAT64) {
        for (; p < end; p += 8) {
            double value;
            memcpy(&value, p, 8);
            *(*to)++ = (float)value;
        }
    } else {
        while (p < end) {
            uint64_t value;
            if (!read_varint(&p, end, &value))
                return 0;
            *(*to)++ = (float)(int32_t)(uint32_t)value;
        }
    }
    return 1;
}

int tensor_values(const uint8_t *buffer, const Tensor *tensor, float *to) {
    Span message = {buffer + tensor->begin, buffer + tensor->end};
    while (message.p < message.end) {
        Field field;
        if (!next_field(&message, &field))
            return 0;
        if (field.number == FIELD_VALUES && !copy_piece(tensor, &field, &to))
            return 0;
    }
    return 1;
}

int tensor_keys(const uint8_t *buffer, const Tensor *tensor, int64_t width, int32_t *to, int *ascending) {
    Span message = {buffer + tensor->begin, buffer + tensor->end};
    Keys keys = {
        .next = to, .stop = to + tensor->values, .width = width, .last = -1, .ascending = 1, .readable = message.end};
    while (message.p < message.end) {
        Field field;
        if (!next_field(&message, &field))
            return 0;
        if (field.number == FIELD_KEYS && !read_keys(field.bytes.p, field.bytes.end, &keys))
            return 0;
    }
    *ascending &= keys.ascending;
    return keys.next == keys.stop;
}
