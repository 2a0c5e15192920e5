/* random.h - made-up tensors that follow from a key alone: inputs from --seed, --random-weights.
 *
 * Reads    a key per element.
 * Returns  the same bits on every machine, whatever the order or the cell they are asked in.
 * Cost     about 1 ns per element.
 * Source   splitmix64 (Steele, Lea and Flood 2014, public domain): one step hashes a counter.
 * Not here what the key is made of.
 */
#ifndef DMS_RUNTIME_RANDOM_H
#define DMS_RUNTIME_RANDOM_H

#include "schema/dtype.h"

/* A 64-bit hash of `key`. */
uint64_t dms_random_word(uint64_t key);

/* The bits of one element: floats spread evenly over [-scale, scale), integers and bools 0 or 1,
 * which are valid indices. */
uint64_t dms_random_bits(dms_dtype dtype, uint64_t word, double scale);

#endif
