/* Three vectors, one search, a mistake, a file and back. */
#include <sophon/sophon.h>
#include <stdio.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, sophon_last_error());
  return 1;
}

int main(int count, char** arguments) {
  const int64_t keys[3] = {7, 8, 9};
  const float vectors[12] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0.6F, 0.8F};
  const float query[4] = {0, 0, 0, 1};
  const float too_long[4] = {0, 0, 0, 2};
  int64_t best[2];
  float scores[2];
  size_t removed = 0;
  sophon_index* index = NULL;
  sophon_index* loaded = NULL;

  if (count != 2) {
    fprintf(stderr, "usage: search_c FILE-TO-WRITE\n");
    return 2;
  }
  if (sophon_abi_version() < SOPHON_ABI_VERSION) {
    fprintf(stderr, "the library is older than its header\n");
    return 1;
  }
  if (sophon_index_create(4, &index) != SOPHON_OK || sophon_index_add(index, keys, vectors, 3) != SOPHON_OK) {
    return failed("filling");
  }
  if (sophon_index_search(index, query, 1, 2, 0.5F, best, scores) != SOPHON_OK) {
    return failed("searching");
  }
  printf("best: key %lld, score %.1f, then key %lld\n", (long long)best[0], (double)scores[0], (long long)best[1]);

  if (sophon_index_add(index, keys, too_long, 1) == SOPHON_INVALID_ARGUMENT) {
    printf("refused: %s\n", sophon_last_error());
  }
  if (sophon_index_remove(index, keys, 1, &removed) != SOPHON_OK) {
    return failed("removing");
  }
  if (sophon_index_save(index, arguments[1]) != SOPHON_OK || sophon_index_load(arguments[1], &loaded) != SOPHON_OK) {
    return failed("saving and loading");
  }
  printf("removed %u, loaded %u\n", (unsigned)removed, (unsigned)sophon_index_size(loaded));
  sophon_index_destroy(loaded);
  sophon_index_destroy(index);
  return 0;
}
