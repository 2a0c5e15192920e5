/* attr_kinds.c - the attributes of ai.onnx whose kind is the same in every operator. */
#include <string.h>

#include "onnx/graph.h"
#include "onnx/import_internal.h"

#define INT DMS_ATTR_INT
#define INTS DMS_ATTR_INTS
#define FLOAT DMS_ATTR_FLOAT
#define FLOATS DMS_ATTR_FLOATS
#define STRING DMS_ATTR_STRING
#define STRINGS DMS_ATTR_STRINGS
#define GRAPH DMS_ATTR_GRAPH

static const struct {
    const char *name;
    dms_attr_kind kind;
} wanted[] = {
    {"activation_alpha", FLOATS},
    {"activation_beta", FLOATS},
    {"activations", STRINGS},
    {"align_corners", INT},
    {"allowzero", INT},
    {"alpha", FLOAT},
    {"antialias", INT},
    {"approximate", STRING},
    {"auto_pad", STRING},
    {"axes", INTS},
    {"axis", INT},
    {"batch_axis", INT},
    {"batch_dims", INT},
    {"beta", FLOAT},
    {"bias", FLOAT},
    {"block_size", INT},
    {"blocksize", INT},
    {"ceil_mode", INT},
    {"clip", FLOAT},
    {"coordinate_transformation_mode", STRING},
    {"count_include_pad", INT},
    {"cubic_coeff_a", FLOAT},
    {"detect_negative", INT},
    {"detect_positive", INT},
    {"dilations", INTS},
    {"direction", STRING},
    {"dtype", INT},
    {"else_branch", GRAPH},
    {"end", INT},
    {"epsilon", FLOAT},
    {"equation", STRING},
    {"exclude_outside", INT},
    {"exclusive", INT},
    {"extrapolation_value", FLOAT},
    {"fmod", INT},
    {"gamma", FLOAT},
    {"group", INT},
    {"hidden_size", INT},
    {"input_forget", INT},
    {"interleaved", INT},
    {"is_causal", INT},
    {"k", INT},
    {"keep_aspect_ratio_policy", STRING},
    {"keepdims", INT},
    {"kernel_shape", INTS},
    {"kv_num_heads", INT},
    {"lambd", FLOAT},
    {"largest", INT},
    {"layout", INT},
    {"linear_before_reset", INT},
    {"max", FLOAT},
    {"min", FLOAT},
    {"mode", STRING},
    {"momentum", FLOAT},
    {"nearest_mode", STRING},
    {"noop_with_empty_axes", INT},
    {"num_groups", INT},
    {"num_heads", INT},
    {"num_outputs", INT},
    {"output_dtype", INT},
    {"output_padding", INTS},
    {"output_shape", INTS},
    {"p", INT},
    {"pads", INTS},
    {"padding_mode", STRING},
    {"perm", INTS},
    {"q_num_heads", INT},
    {"reduction", STRING},
    {"reverse", INT},
    {"rotary_embedding_dim", INT},
    {"saturate", INT},
    {"scale", FLOAT},
    {"scales", FLOATS},
    {"select_last_index", INT},
    {"size", INT},
    {"softcap", FLOAT},
    {"sorted", INT},
    {"spatial", INT},
    {"split", INTS},
    {"start", INT},
    {"stash_type", INT},
    {"storage_order", INT},
    {"strides", INTS},
    {"then_branch", GRAPH},
    {"to", INT},
    {"training_mode", INT},
    {"transA", INT},
    {"transB", INT},
    {"upper", INT},
};

bool dms_attr_wanted(const char *name, dms_attr_kind *out) {
    for (uint32_t k = 0; k < sizeof wanted / sizeof *wanted; k++)
        if (strcmp(wanted[k].name, name) == 0) {
            *out = wanted[k].kind;
            return true;
        }
    return false;
}
