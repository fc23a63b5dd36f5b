/* The matcher for C, and for whatever calls C: a small interface that keeps its meaning.
 *
 * Functions that can fail return a status; sophon_last_error() then says in a sentence what was wrong. An index may be
 * used by several threads at once. What is added to this interface raises SOPHON_ABI_VERSION's value; nothing in it
 * changes. */
#ifndef SOPHON_SOPHON_H
#define SOPHON_SOPHON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SOPHON_ABI_VERSION 1

/* The version of the library at hand, to compare with SOPHON_ABI_VERSION, which is that of this header. */
int32_t sophon_abi_version(void);

/* Values never change. */
typedef enum sophon_status {
  SOPHON_OK = 0,
  SOPHON_INVALID_ARGUMENT = 1,
  SOPHON_UNKNOWN_KEY = 2,
  SOPHON_BAD_FILE = 3,
  SOPHON_SYSTEM_ERROR = 4,
  SOPHON_OUT_OF_MEMORY = 5
} sophon_status;

/* What went wrong in this thread's last call that failed; valid until its next one. */
const char* sophon_last_error(void);

typedef struct sophon_index sophon_index;

/* Unit vectors of `dim` float32 values under keys of 0 and more. */
sophon_status sophon_index_create(size_t dim, sophon_index** index);
sophon_status sophon_index_load(const char* path, sophon_index** index);
sophon_status sophon_index_save(const sophon_index* index, const char* path);
/* Null is allowed. */
void sophon_index_destroy(sophon_index* index);

size_t sophon_index_dim(const sophon_index* index);
/* The number of vectors. */
size_t sophon_index_size(const sophon_index* index);

/* One vector per key, row after row; all or nothing. A key may have several vectors: the best one counts. */
sophon_status sophon_index_add(sophon_index* index, const int64_t* keys, const float* vectors, size_t count);
/* The keys' former vectors leave in the same step. */
sophon_status sophon_index_replace(sophon_index* index, const int64_t* keys, const float* vectors, size_t count);
/* `removed`, which may be null, gets how many of the keys were there. */
sophon_status sophon_index_remove(sophon_index* index, const int64_t* keys, size_t count, size_t* removed);

/* For each query, row after row, the k keys of the highest scores, best first, equal scores by key: `keys` and `scores`
 * have room for query_count * k. Only scores of at least `threshold` count (-1: all); places without a hit get key -1.
 */
sophon_status sophon_index_search(const sophon_index* index, const float* queries, size_t query_count, size_t k,
                                  float threshold, int64_t* keys, float* scores);

#ifdef __cplusplus
}
#endif

#endif
