/* strip_cpu.c - loads and stores of strips, one loop per element type. */
#include "runtime/kernels/strip.h"

/* NAME_load and NAME_store: TM in memory, TT in the strip. */
#define STRIP_TYPE(NAME, TM, TT, LOAD, STORE)                                                      \
    static void NAME##_load(const TM *from, int64_t pitch, int64_t n, TT *to) {                    \
        if (pitch == 1)                                                                            \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TM x = from[i];                                                              \
                to[i] = (TT)(LOAD);                                                                \
            }                                                                                      \
        else if (pitch == 0)                                                                       \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TM x = from[0];                                                              \
                to[i] = (TT)(LOAD);                                                                \
            }                                                                                      \
        else if (pitch == 2) /* every other one: strides of windows; shuffles, not gathers */      \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TM x = from[2 * i];                                                          \
                to[i] = (TT)(LOAD);                                                                \
            }                                                                                      \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TM x = from[i * pitch];                                                      \
                to[i] = (TT)(LOAD);                                                                \
            }                                                                                      \
    }                                                                                              \
    static void NAME##_store(const TT *from, int64_t pitch, int64_t n, TM *to) {                   \
        if (pitch == 1)                                                                            \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TT x = from[i];                                                              \
                to[i] = (TM)(STORE);                                                               \
            }                                                                                      \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TT x = from[i];                                                              \
                to[i * pitch] = (TM)(STORE);                                                       \
            }                                                                                      \
    }

typedef uint8_t class_b8; /* the strip's type by the name of its member */
typedef float class_f32;
typedef double class_f64;
typedef int64_t class_i64;
typedef uint64_t class_u64;

#define DEFINE(DTYPE, name, TM, member, AS_NUMBER, AS_MEMORY)                                      \
    STRIP_TYPE(name, TM, class_##member, AS_NUMBER, AS_MEMORY)
DMS_EACH_TYPE(DEFINE)
#undef DEFINE

void DMS_ISA(dms_strip_load)(dms_dtype dtype, const void *from, int64_t pitch, int64_t n,
                             void *strip) {
#define LOAD(DTYPE, name, TM, member, AS_NUMBER, AS_MEMORY)                                        \
    case DMS_DTYPE_##DTYPE:                                                                        \
        name##_load(from, pitch, n, strip);                                                        \
        return;
    switch ((unsigned)dtype) { DMS_EACH_TYPE(LOAD) }
#undef LOAD
}

void DMS_ISA(dms_strip_store)(dms_dtype dtype, const void *strip, void *to, int64_t pitch,
                              int64_t n) {
#define STORE(DTYPE, name, TM, member, AS_NUMBER, AS_MEMORY)                                       \
    case DMS_DTYPE_##DTYPE:                                                                        \
        name##_store(strip, pitch, n, to);                                                         \
        return;
    switch ((unsigned)dtype) { DMS_EACH_TYPE(STORE) }
#undef STORE
}
