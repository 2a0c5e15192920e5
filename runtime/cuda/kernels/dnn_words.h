/* dnn_words.h - the words of cuDNN's backend interface that we speak.
 *
 * Reads    nothing.
 * Returns  numbers of its descriptors, attributes and types; the functions that we look up.
 * Cost     none.
 * Source   NVIDIA, cuDNN backend API, version 9: the numbers are part of its binary interface; a
 *          test compares each with cudnn.h where that is found.
 * Not here what is said with them (attention_dnn.c).
 *
 * The library is looked up by name when a plan is opened, so no header of it is needed to build: a
 * machine with the library alone, as its Python package brings it, uses it too.
 */
#ifndef DMS_RUNTIME_CUDA_DNN_WORDS_H
#define DMS_RUNTIME_CUDA_DNN_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* X(the library's word without its CUDNN_, number). */
#define DMS_DNN_WORDS(X)                                                                           \
    X(BACKEND_POINTWISE_DESCRIPTOR, 0)                                                             \
    X(BACKEND_ENGINE_DESCRIPTOR, 2)                                                                \
    X(BACKEND_ENGINECFG_DESCRIPTOR, 3)                                                             \
    X(BACKEND_ENGINEHEUR_DESCRIPTOR, 4)                                                            \
    X(BACKEND_EXECUTION_PLAN_DESCRIPTOR, 5)                                                        \
    X(BACKEND_OPERATION_POINTWISE_DESCRIPTOR, 13)                                                  \
    X(BACKEND_OPERATIONGRAPH_DESCRIPTOR, 15)                                                       \
    X(BACKEND_VARIANT_PACK_DESCRIPTOR, 16)                                                         \
    X(BACKEND_TENSOR_DESCRIPTOR, 17)                                                               \
    X(BACKEND_MATMUL_DESCRIPTOR, 18)                                                               \
    X(BACKEND_OPERATION_MATMUL_DESCRIPTOR, 19)                                                     \
    X(BACKEND_REDUCTION_DESCRIPTOR, 21)                                                            \
    X(BACKEND_OPERATION_REDUCTION_DESCRIPTOR, 22)                                                  \
    X(BACKEND_DEVICEPROP_DESCRIPTOR, 38)                                                           \
    X(ATTR_POINTWISE_MODE, 0)                                                                      \
    X(ATTR_POINTWISE_MATH_PREC, 1)                                                                 \
    X(ATTR_POINTWISE_AXIS, 9)                                                                      \
    X(ATTR_ENGINEHEUR_MODE, 200)                                                                   \
    X(ATTR_ENGINEHEUR_OPERATION_GRAPH, 201)                                                        \
    X(ATTR_ENGINEHEUR_RESULTS, 202)                                                                \
    X(ATTR_ENGINEHEUR_DEVICEPROP, 204)                                                             \
    X(ATTR_ENGINECFG_ENGINE, 300)                                                                  \
    X(ATTR_EXECUTION_PLAN_HANDLE, 400)                                                             \
    X(ATTR_EXECUTION_PLAN_ENGINE_CONFIG, 401)                                                      \
    X(ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, 402)                                                     \
    X(ATTR_EXECUTION_PLAN_DEVICEPROP, 407)                                                         \
    X(ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, 750)                                                 \
    X(ATTR_OPERATION_POINTWISE_XDESC, 751)                                                         \
    X(ATTR_OPERATION_POINTWISE_BDESC, 752)                                                         \
    X(ATTR_OPERATION_POINTWISE_YDESC, 753)                                                         \
    X(ATTR_OPERATION_POINTWISE_TDESC, 758)                                                         \
    X(ATTR_OPERATIONGRAPH_HANDLE, 800)                                                             \
    X(ATTR_OPERATIONGRAPH_OPS, 801)                                                                \
    X(ATTR_TENSOR_BYTE_ALIGNMENT, 900)                                                             \
    X(ATTR_TENSOR_DATA_TYPE, 901)                                                                  \
    X(ATTR_TENSOR_DIMENSIONS, 902)                                                                 \
    X(ATTR_TENSOR_STRIDES, 903)                                                                    \
    X(ATTR_TENSOR_UNIQUE_ID, 906)                                                                  \
    X(ATTR_TENSOR_IS_VIRTUAL, 907)                                                                 \
    X(ATTR_TENSOR_IS_BY_VALUE, 908)                                                                \
    X(ATTR_VARIANT_PACK_UNIQUE_IDS, 1000)                                                          \
    X(ATTR_VARIANT_PACK_DATA_POINTERS, 1001)                                                       \
    X(ATTR_VARIANT_PACK_WORKSPACE, 1003)                                                           \
    X(ATTR_ENGINE_NUMERICAL_NOTE, 1303)                                                            \
    X(ATTR_MATMUL_COMP_TYPE, 1500)                                                                 \
    X(ATTR_OPERATION_MATMUL_ADESC, 1520)                                                           \
    X(ATTR_OPERATION_MATMUL_BDESC, 1521)                                                           \
    X(ATTR_OPERATION_MATMUL_CDESC, 1522)                                                           \
    X(ATTR_OPERATION_MATMUL_DESC, 1523)                                                            \
    X(ATTR_REDUCTION_OPERATOR, 1600)                                                               \
    X(ATTR_REDUCTION_COMP_TYPE, 1601)                                                              \
    X(ATTR_OPERATION_REDUCTION_XDESC, 1610)                                                        \
    X(ATTR_OPERATION_REDUCTION_YDESC, 1611)                                                        \
    X(ATTR_OPERATION_REDUCTION_DESC, 1612)                                                         \
    X(ATTR_DEVICEPROP_JSON_REPRESENTATION, 2702)                                                   \
    X(TYPE_HANDLE, 0)                                                                              \
    X(TYPE_DATA_TYPE, 1)                                                                           \
    X(TYPE_BOOLEAN, 2)                                                                             \
    X(TYPE_INT64, 3)                                                                               \
    X(TYPE_VOID_PTR, 6)                                                                            \
    X(TYPE_HEUR_MODE, 8)                                                                           \
    X(TYPE_NUMERICAL_NOTE, 11)                                                                     \
    X(TYPE_POINTWISE_MODE, 14)                                                                     \
    X(TYPE_BACKEND_DESCRIPTOR, 15)                                                                 \
    X(TYPE_REDUCTION_OPERATOR_TYPE, 18)                                                            \
    X(TYPE_CHAR, 24)                                                                               \
    X(DATA_FLOAT, 0)                                                                               \
    X(DATA_HALF, 2)                                                                                \
    X(DATA_INT32, 4)                                                                               \
    X(DATA_BFLOAT16, 9)                                                                            \
    X(DATA_BOOLEAN, 11)                                                                            \
    X(POINTWISE_ADD, 0)                                                                            \
    X(POINTWISE_MUL, 1)                                                                            \
    X(POINTWISE_DIV, 6)                                                                            \
    X(POINTWISE_SUB, 9)                                                                            \
    X(POINTWISE_EXP, 13)                                                                           \
    X(POINTWISE_LOG, 15)                                                                           \
    X(POINTWISE_CMP_GE, 303)                                                                       \
    X(POINTWISE_GEN_INDEX, 501)                                                                    \
    X(POINTWISE_BINARY_SELECT, 601)                                                                \
    X(REDUCE_TENSOR_ADD, 0)                                                                        \
    X(REDUCE_TENSOR_MAX, 3)                                                                        \
    X(HEUR_MODE_A, 3)                                                                              \
    X(NUMERICAL_NOTE_TENSOR_CORE, 0)                                                               \
    X(NUMERICAL_NOTE_STRICT_NAN_PROP, 9)                                                           \
    X(NUMERICAL_NOTE_NONDETERMINISTIC, 4)

#define DMS_DNN_WORD(word, number) DMS_DNN_##word = (number),
enum dms_dnn_word { DMS_DNN_WORDS(DMS_DNN_WORD) };
#undef DMS_DNN_WORD

/* A descriptor of the library; its statuses are integers, 0 is success. */
typedef void *dms_dnn_desc;

/* X(result, member, function, parameters): what we call. */
#define DMS_DNN_FUNCTIONS(X)                                                                       \
    X(size_t, version, cudnnGetVersion, (void))                                                    \
    X(int, create, cudnnCreate, (void **handle))                                                   \
    X(int, destroy, cudnnDestroy, (void *handle))                                                  \
    X(int, set_stream, cudnnSetStream, (void *handle, void *stream))                               \
    X(int, desc_create, cudnnBackendCreateDescriptor, (int kind, dms_dnn_desc *desc))              \
    X(int, desc_destroy, cudnnBackendDestroyDescriptor, (dms_dnn_desc desc))                       \
    X(int, desc_finish, cudnnBackendFinalize, (dms_dnn_desc desc))                                 \
    X(int, desc_set, cudnnBackendSetAttribute,                                                     \
      (dms_dnn_desc desc, int name, int type, int64_t n, const void *values))                      \
    X(int, desc_get, cudnnBackendGetAttribute,                                                     \
      (dms_dnn_desc desc, int name, int type, int64_t room, int64_t *n, void *values))             \
    X(int, execute, cudnnBackendExecute, (void *handle, dms_dnn_desc plan, dms_dnn_desc pack))

#endif
