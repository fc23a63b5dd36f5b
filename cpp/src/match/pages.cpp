#include "match/pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "match/file.h"

namespace sophon::match {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;       // NOLINT(bugprone-signed-bitwise)
constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;  // NOLINT(bugprone-signed-bitwise)

std::span<std::byte> mapped_file(int file, std::size_t offset, std::size_t bytes, int flags) {
  void* const start = ::mmap(nullptr, bytes, kReadWrite, flags, file, static_cast<off_t>(offset));
  if (start == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "can't map a file into memory");
  }
  return {static_cast<std::byte*>(start), bytes};
}

}  // namespace

Pages Pages::anonymous(std::size_t bytes) {
  // Huge pages need their alignment: what is around the aligned part is given back at once.
  const std::size_t spare = bytes >= kHugePage ? kHugePage : 0;
  void* const start = ::mmap(nullptr, bytes + spare, kReadWrite, kAnonymous, -1, 0);
  if (start == MAP_FAILED) {
    throw std::bad_alloc();
  }
  auto* first = static_cast<std::byte*>(start);
  if (spare != 0) {
    const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(start) % kHugePage) % kHugePage;
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t used = (bytes + page - 1) / page * page;
    if (before != 0) {
      ::munmap(first, before);
    }
    first += before;
    if (before + used < bytes + spare) {
      ::munmap(first + used, bytes + spare - before - used);
    }
    ::madvise(first, bytes, MADV_HUGEPAGE);  // a wish; small pages are only slower
  }
  return Pages({first, bytes});
}

Pages Pages::temporary_file(const std::filesystem::path& directory, std::size_t bytes) {
  std::string name = (directory / "sophon-XXXXXX").string();
  const File file(::mkstemp(name.data()), "can't make a temporary file in " + directory.string());
  ::unlink(name.c_str());
  if (::ftruncate(file.descriptor(), static_cast<off_t>(bytes)) != 0) {
    throw std::system_error(errno, std::generic_category(), "can't enlarge a temporary file in " + directory.string());
  }
  return Pages(mapped_file(file.descriptor(), 0, bytes, MAP_SHARED));
}

void Pages::let_go() const { ::madvise(bytes_.data(), bytes_.size(), MADV_DONTNEED); }

Pages Pages::file_part(int file, std::size_t offset, std::size_t bytes) {
  return Pages(mapped_file(file, offset, bytes, MAP_PRIVATE));
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
