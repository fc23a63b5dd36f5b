#include "match/pages.h"

#include <sys/mman.h>

#include <new>
#include <utility>

namespace sophon::match {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;       // NOLINT(bugprone-signed-bitwise)
constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;  // NOLINT(bugprone-signed-bitwise)

}  // namespace

Pages::Pages(std::size_t bytes) {
  void* const start = ::mmap(nullptr, bytes, kReadWrite, kAnonymous, -1, 0);
  if (start == MAP_FAILED) {
    throw std::bad_alloc();
  }
  if (bytes >= kHugePage) {
    ::madvise(start, bytes, MADV_HUGEPAGE);  // a wish; small pages are only slower
  }
  bytes_ = {static_cast<std::byte*>(start), bytes};
}

Pages::~Pages() {
  if (!bytes_.empty()) {
    ::munmap(bytes_.data(), bytes_.size());
  }
}

Pages::Pages(Pages&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

Pages& Pages::operator=(Pages&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace sophon::match
