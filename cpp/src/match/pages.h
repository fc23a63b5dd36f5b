// Memory taken in whole pages, from the system or from a file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace sophon::match {

class Pages {
 public:
  // Zeroed; in huge pages where it is large, because searches read it end to end. Throws std::bad_alloc.
  static Pages anonymous(std::size_t bytes);
  // Zeroed, in a file that has no name any more: the system may write it out to `directory` to free memory. Throws
  // std::system_error.
  static Pages temporary_file(const std::filesystem::path& directory, std::size_t bytes);
  // A part of an open file; what is written to it stays out of the file. `offset` must be a multiple of kFileAlignment.
  // Throws std::system_error.
  static Pages file_part(int file, std::size_t offset, std::size_t bytes);

  // A multiple of every page size that our machines have.
  static constexpr std::size_t kFileAlignment = 65536;

  Pages() = default;
  ~Pages();
  Pages(Pages&& other) noexcept;
  Pages& operator=(Pages&& other) noexcept;
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  std::span<std::byte> bytes() const { return bytes_; }

  // Of a temporary file: the process holds on to none of it; what is needed again comes back from the file.
  void let_go() const;

 private:
  explicit Pages(std::span<std::byte> bytes) : bytes_(bytes) {}

  std::span<std::byte> bytes_;
};

}  // namespace sophon::match
