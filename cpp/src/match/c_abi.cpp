// The C interface: every exception becomes a status here, and nothing else happens here.
#include <algorithm>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "sophon/exact_index.h"
#include "sophon/sophon.h"

struct sophon_index {
  sophon::ExactIndex index;
};

namespace {

thread_local std::string last_error;

sophon_status failed(sophon_status status, const char* message) noexcept {
  try {
    last_error = message;
  } catch (...) {
    last_error.clear();
  }
  return status;
}

template <typename Call>
sophon_status guarded(Call call) noexcept {
  try {
    call();
    return SOPHON_OK;
  } catch (const sophon::UnknownKey& error) {
    return failed(SOPHON_UNKNOWN_KEY, error.what());
  } catch (const sophon::BadFile& error) {
    return failed(SOPHON_BAD_FILE, error.what());
  } catch (const std::system_error& error) {
    return failed(SOPHON_SYSTEM_ERROR, error.what());
  } catch (const std::bad_alloc& error) {
    return failed(SOPHON_OUT_OF_MEMORY, error.what());
  } catch (const std::exception& error) {
    return failed(SOPHON_INVALID_ARGUMENT, error.what());
  }
}

template <typename Pointer>
Pointer* present(Pointer* pointer, const char* name) {
  if (pointer == nullptr) {
    throw std::invalid_argument(std::string(name) + " must not be null");
  }
  return pointer;
}

// A span of nothing may start at null.
template <typename T>
std::span<T> values(T* start, std::size_t count, const char* name) {
  return {count == 0 ? start : present(start, name), count};
}

sophon_index* owned(sophon::ExactIndex index) {
  return new sophon_index{std::move(index)};  // NOLINT(cppcoreguidelines-owning-memory): the caller destroys it
}

}  // namespace

int32_t sophon_abi_version(void) { return SOPHON_ABI_VERSION; }

const char* sophon_last_error(void) { return last_error.c_str(); }

sophon_status sophon_index_create(size_t dim, sophon_index** index) {
  return guarded([&] { *present(index, "index") = owned(sophon::ExactIndex(dim)); });
}

sophon_status sophon_index_load(const char* path, sophon_index** index) {
  return guarded([&] { *present(index, "index") = owned(sophon::ExactIndex::load(present(path, "path"))); });
}

sophon_status sophon_index_save(const sophon_index* index, const char* path) {
  return guarded([&] { present(index, "index")->index.save(present(path, "path")); });
}

void sophon_index_destroy(sophon_index* index) {
  delete index;  // NOLINT(cppcoreguidelines-owning-memory): made by owned()
}

size_t sophon_index_dim(const sophon_index* index) { return index->index.dim(); }

size_t sophon_index_size(const sophon_index* index) { return index->index.size(); }

// NOLINTNEXTLINE(misc-const-correctness): it changes what the handle stands for
sophon_status sophon_index_add(sophon_index* index, const int64_t* keys, const float* vectors, size_t count) {
  return guarded([&] {
    auto& target = present(index, "index")->index;
    target.add(values(keys, count, "keys"), values(vectors, count * target.dim(), "vectors"));
  });
}

sophon_status sophon_index_replace(sophon_index* index, const int64_t* keys, const float* vectors, size_t count) {
  return guarded([&] {
    auto& target = present(index, "index")->index;
    target.replace(values(keys, count, "keys"), values(vectors, count * target.dim(), "vectors"));
  });
}

sophon_status sophon_index_remove(sophon_index* index, const int64_t* keys, size_t count, size_t* removed) {
  return guarded([&] {
    const std::size_t found = present(index, "index")->index.remove(values(keys, count, "keys"));
    if (removed != nullptr) {
      *removed = found;
    }
  });
}

sophon_status sophon_index_search(const sophon_index* index, const float* queries, size_t query_count, size_t k,
                                  float threshold, int64_t* keys, float* scores) {
  return guarded([&] {
    const auto& source = present(index, "index")->index;
    const auto found =
        source.search(values(queries, query_count * source.dim(), "queries"), {.k = k, .threshold = threshold});
    std::ranges::copy(found.keys, values(keys, query_count * k, "keys").begin());
    std::ranges::copy(found.scores, values(scores, query_count * k, "scores").begin());
  });
}
