/* dtype.c - one table by ONNX number. */
#include "schema/dtype.h"

typedef struct dtype_fact {
    const char *name;
    uint8_t bytes; /* 0 = not supported */
    uint8_t kind;  /* 'f' float, 'i' integer, 'b' bool */
} dtype_fact;

static const dtype_fact FACTS[] = {
    {"undefined", 0, 0},  {"f32", 4, 'f'},    {"u8", 1, 'i'},       {"i8", 1, 'i'},
    {"u16", 2, 'i'},      {"i16", 2, 'i'},    {"i32", 4, 'i'},      {"i64", 8, 'i'},
    {"string", 0, 0},     {"bool", 1, 'b'},   {"f16", 2, 'f'},      {"f64", 8, 'f'},
    {"u32", 4, 'i'},      {"u64", 8, 'i'},    {"complex64", 0, 0},  {"complex128", 0, 0},
    {"bf16", 2, 'f'},     {"f8e4m3fn", 0, 0}, {"f8e4m3fnuz", 0, 0}, {"f8e5m2", 0, 0},
    {"f8e5m2fnuz", 0, 0}, {"u4", 0, 0},       {"i4", 0, 0},         {"f4e2m1", 0, 0},
};

static const dtype_fact *fact(uint32_t dtype) {
    static const dtype_fact unknown = {"unknown", 0, 0};
    return dtype < sizeof FACTS / sizeof FACTS[0] ? &FACTS[dtype] : &unknown;
}

uint32_t dms_dtype_bytes(uint32_t dtype) {
    return fact(dtype)->bytes;
}

const char *dms_dtype_name(uint32_t dtype) {
    return fact(dtype)->name;
}

bool dms_dtype_is_float(uint32_t dtype) {
    return fact(dtype)->kind == 'f';
}

bool dms_dtype_is_integer(uint32_t dtype) {
    return fact(dtype)->kind == 'i';
}
