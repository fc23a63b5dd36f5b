#include "match/persistence.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "match/checksum.h"
#include "match/file.h"
#include "sophon/exact_index.h"

namespace sophon::match {
namespace {

constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + Pages::kFileAlignment - 1) / Pages::kFileAlignment * Pages::kFileAlignment;
}

// Where the parts of a file are.
struct Layout {
  Layout(std::size_t dim, std::size_t row_count)
      : block_count((row_count + kBlockRows - 1) / kBlockRows),
        codes_bytes(Block::codes_bytes(dim)),
        floats_bytes(Block::floats_bytes(dim)),
        first_block(aligned(sizeof(FileHeader) + 2 * block_count * sizeof(std::uint64_t))) {}

  std::size_t codes(std::size_t block) const {
    return first_block + block * (aligned(codes_bytes) + aligned(floats_bytes));
  }
  std::size_t floats(std::size_t block) const { return codes(block) + aligned(codes_bytes); }
  std::size_t file_bytes() const { return codes(block_count); }

  std::size_t block_count;
  std::size_t codes_bytes;
  std::size_t floats_bytes;
  std::size_t first_block;
};

std::uint64_t header_checksum(const FileHeader& header) {
  return checksum(std::as_bytes(std::span(&header, 1)).first(offsetof(FileHeader, header_checksum)));
}

void write_at(int file, std::size_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      throw std::system_error(errno, std::generic_category(), "can't write the index");
    }
    offset += static_cast<std::size_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void read_at(int file, std::size_t offset, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const auto got = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      throw std::system_error(errno, std::generic_category(), "can't read the index");
    }
    if (got == 0) {
      throw BadFile("the file ends too early for an index");
    }
    offset += static_cast<std::size_t>(got);
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

void flush(int descriptor, const std::filesystem::path& path) {
  if (::fsync(descriptor) != 0) {
    throw std::system_error(errno, std::generic_category(), "can't flush " + path.string());
  }
}

void write_index(int file, const Storage& storage) {
  const Storage::Contents contents = storage.contents();
  const Layout layout(storage.dim(), contents.rows.size());
  if (::ftruncate(file, static_cast<off_t>(layout.file_bytes())) != 0) {
    throw std::system_error(errno, std::generic_category(), "can't enlarge the index's file");
  }
  std::vector<std::uint64_t> checksums;
  for (std::size_t block = 0; block < layout.block_count; ++block) {
    Block copy(storage.dim(), Pages::anonymous(layout.codes_bytes), Pages::anonymous(layout.floats_bytes));
    const auto rows = std::span(contents.rows).subspan(block * kBlockRows);
    for (std::size_t slot = 0; slot < std::min(rows.size(), kBlockRows); ++slot) {
      copy.copy_row(slot, *contents.snapshot->blocks[rows[slot] / kBlockRows], rows[slot] % kBlockRows);
    }
    write_at(file, layout.codes(block), copy.codes_memory());
    write_at(file, layout.floats(block), copy.floats_memory());
    checksums.push_back(checksum(copy.codes_memory()));
    checksums.push_back(checksum(copy.floats_memory()));
  }
  FileHeader header;
  header.dim = storage.dim();
  header.row_count = contents.rows.size();
  header.parts_checksum = checksum(std::as_bytes(std::span(checksums)));
  header.header_checksum = header_checksum(header);
  write_at(file, 0, std::as_bytes(std::span(&header, 1)));
  write_at(file, sizeof(header), std::as_bytes(std::span(checksums)));
}

FileHeader read_header(int file) {
  FileHeader header;
  read_at(file, 0, std::as_writable_bytes(std::span(&header, 1)));
  if (header.magic != FileHeader().magic) {
    throw BadFile("the file is not an index");
  }
  if (header.byte_order != FileHeader().byte_order) {
    throw BadFile("the index was written by a machine of the other byte order");
  }
  if (header.version != kFileVersion) {
    throw BadFile("the index has format version " + std::to_string(header.version) + "; this program reads version " +
                  std::to_string(kFileVersion));
  }
  if (header.header_checksum != header_checksum(header)) {
    throw BadFile("the index's header is damaged");
  }
  constexpr std::uint64_t kMostRows = std::uint64_t{1} << 31;
  if (header.dim < 1 || header.dim > kMaxDim || header.row_count > kMostRows || header.block_rows != kBlockRows) {
    throw BadFile("the index's header makes no sense");
  }
  return header;
}

void check_part(std::span<const std::byte> bytes, std::uint64_t expected, std::size_t block) {
  if (checksum(bytes) != expected) {
    throw BadFile("block " + std::to_string(block) + " of the index is damaged");
  }
}

}  // namespace

void save(const Storage& storage, const std::filesystem::path& path) {
  // Complete and on disk under another name first: whatever happens, the name holds the old file or the new one.
  const auto directory = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  std::string unfinished = path.string() + ".XXXXXX";
  const File file(::mkstemp(unfinished.data()), "can't write in " + directory.string());
  try {
    write_index(file.descriptor(), storage);
    flush(file.descriptor(), path);
    std::filesystem::rename(unfinished, path);
  } catch (...) {
    ::unlink(unfinished.c_str());
    throw;
  }
  const File folder(::open(directory.c_str(), O_RDONLY), "can't open " + directory.string());
  flush(folder.descriptor(), directory);
}

std::shared_ptr<Storage> load(const std::filesystem::path& path, bool map, Isa isa) {
  const File file(::open(path.c_str(), O_RDONLY), "can't open " + path.string());
  struct stat status{};
  if (::fstat(file.descriptor(), &status) != 0) {
    throw std::system_error(errno, std::generic_category(), "can't read " + path.string());
  }
  const FileHeader header = read_header(file.descriptor());
  const Layout layout(header.dim, header.row_count);
  if (static_cast<std::uint64_t>(status.st_size) != layout.file_bytes()) {
    throw BadFile("the index's file has " + std::to_string(status.st_size) + " bytes, not " +
                  std::to_string(layout.file_bytes()) + " as its header says");
  }
  std::vector<std::uint64_t> checksums(2 * layout.block_count);
  read_at(file.descriptor(), sizeof(header), std::as_writable_bytes(std::span(checksums)));
  if (checksum(std::as_bytes(std::span(checksums))) != header.parts_checksum) {
    throw BadFile("the index's table of checksums is damaged");
  }
  const auto part = [&](std::size_t offset, std::size_t bytes) {
    if (map) {
      return Pages::file_part(file.descriptor(), offset, bytes);
    }
    Pages pages = Pages::anonymous(bytes);
    read_at(file.descriptor(), offset, pages.bytes());
    return pages;
  };
  std::vector<std::shared_ptr<Block>> blocks;
  for (std::size_t i = 0; i < layout.block_count; ++i) {
    auto block = std::make_shared<Block>(header.dim, part(layout.codes(i), layout.codes_bytes),
                                         part(layout.floats(i), layout.floats_bytes));
    check_part(block->codes_memory(), checksums[2 * i], i);
    check_part(block->floats_memory(), checksums[2 * i + 1], i);
    const std::size_t rows = std::min<std::size_t>(kBlockRows, header.row_count - i * kBlockRows);
    for (std::size_t slot = 0; slot < rows; ++slot) {
      if (block->key(slot) < 0) {
        throw BadFile("block " + std::to_string(i) + " of the index has a negative key");
      }
    }
    blocks.push_back(std::move(block));
  }
  auto storage = std::make_shared<Storage>(header.dim, isa, std::nullopt);
  storage->adopt(std::move(blocks), header.row_count);
  return storage;
}

}  // namespace sophon::match
