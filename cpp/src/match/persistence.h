// An index as a file.
//
// Little-endian, every part at a multiple of Pages::kFileAlignment: the header and a checksum per part; then for each
// block of kBlockRows rows its codes and its floats, as they are in memory. All rows but those after the last are used.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "match/storage.h"
#include "sophon/isa.h"

namespace sophon::match {

inline constexpr std::uint32_t kFileVersion = 2;  // 1 had evenly spaced code values
static_assert(std::endian::native == std::endian::little,
              "files are mapped as they are; big-endian needs a conversion");

struct FileHeader {
  std::array<char, 8> magic{'S', 'O', 'P', 'H', 'O', 'N', 'I', 'X'};
  std::uint32_t version = kFileVersion;
  std::uint32_t byte_order = 0x01020304;
  std::uint64_t dim = 0;
  std::uint64_t row_count = 0;
  std::uint64_t block_rows = kBlockRows;
  std::uint64_t parts_checksum = 0;   // of the checksums that follow the header: two for each block
  std::uint64_t header_checksum = 0;  // of all above
};

void save(const Storage& storage, const std::filesystem::path& path);
std::shared_ptr<Storage> load(const std::filesystem::path& path, bool map, Isa isa);

}  // namespace sophon::match
