#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "match/checksum.h"
#include "match/persistence.h"
#include "sophon/exact_index.h"
#include "vectors.h"

using sophon::BadFile;
using sophon::ExactIndex;
using sophon::match::FileHeader;

namespace {

constexpr std::size_t kDim = 8;

class TemporaryFolder {
 public:
  TemporaryFolder() : path_((std::filesystem::temp_directory_path() / "sophon-test-XXXXXX").string()) {
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  TemporaryFolder(TemporaryFolder&&) = delete;
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;

  std::filesystem::path file(const char* name) const { return std::filesystem::path(path_) / name; }

 private:
  std::string path_;
};

std::vector<char> read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const std::filesystem::path& path, const std::vector<char>& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

ExactIndex sample(std::size_t rows) {
  std::mt19937 random(1);
  std::vector<std::int64_t> keys(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    keys[row] = static_cast<std::int64_t>(row * 3 / 2);  // every third key has two vectors
  }
  ExactIndex index(kDim);
  index.add(keys, sophon::tests::unit_vectors(random, rows, kDim));
  return index;
}

// Makes the header's own checksum right again, so that what it covers is looked at.
void seal(std::vector<char>& bytes) {
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const auto covered = std::as_bytes(std::span(&header, 1)).first(offsetof(FileHeader, header_checksum));
  header.header_checksum = sophon::match::checksum(covered);
  std::memcpy(bytes.data(), &header, sizeof(header));
}

}  // namespace

TEST_CASE("a loaded index is the saved one, mapped or read, and can go on changing") {
  const TemporaryFolder folder;
  const auto path = folder.file("index");
  for (const std::size_t rows : {0U, 1U, 4096U, 5000U}) {
    CAPTURE(rows);
    ExactIndex saved = sample(rows);
    if (rows > 100) {
      const std::vector<std::int64_t> gone{3, 4, 5, 60};
      saved.remove(gone);
    }
    saved.save(path);
    const auto bytes_on_disk = read(path);
    std::mt19937 random(2);
    const auto queries = sophon::tests::unit_vectors(random, 5, kDim);
    for (const bool map : {true, false}) {
      ExactIndex loaded = ExactIndex::load(path, map);
      CHECK(loaded.size() == saved.size());
      const auto expected = saved.search(queries, {.k = 9});
      const auto found = loaded.search(queries, {.k = 9});
      CHECK(found.keys == expected.keys);
      CHECK(found.scores == expected.scores);
      if (rows > 100) {
        CHECK(loaded.get(6) == saved.get(6));
        const std::vector<std::int64_t> gone{6, 7};
        loaded.remove(gone);
        CHECK_FALSE(loaded.contains(6));
        const std::int64_t key = 9999999;
        loaded.add(std::span(&key, 1), std::span(queries).first(kDim));
        CHECK(loaded.search(std::span(queries).first(kDim), {}).keys.front() == key);
      }
    }
    CHECK(read(path) == bytes_on_disk);
  }
}

TEST_CASE("foreign, damaged, short and long files are refused") {
  const TemporaryFolder folder;
  const auto path = folder.file("index");
  sample(50).save(path);
  const auto good = read(path);
  const auto refused = [&](const std::vector<char>& bytes) {
    write(path, bytes);
    CHECK_THROWS_AS(ExactIndex::load(path, true), BadFile);
    CHECK_THROWS_AS(ExactIndex::load(path, false), BadFile);
  };
  refused({});
  refused(std::vector<char>(100000, 'x'));
  refused({good.begin(), good.begin() + 40});
  refused({good.begin(), good.end() - 1});
  auto longer = good;
  longer.push_back(0);
  refused(longer);
  for (const std::size_t place : {0U, 8U, 12U, 16U, 24U, 32U, 40U, 48U, 60U, 65536U, 65536U + 4096U * 70U}) {
    CAPTURE(place);
    auto damaged = good;
    damaged[place] = static_cast<char>(damaged[place] ^ 1);
    refused(damaged);
  }
  for (const std::uint32_t version : {sophon::match::kFileVersion - 1, sophon::match::kFileVersion + 1}) {
    auto other = good;
    other[8] = static_cast<char>(version);
    seal(other);
    write(path, other);
    const std::string named = "version " + std::to_string(version);
    CHECK_THROWS_WITH_AS(ExactIndex::load(path), doctest::Contains(named.c_str()), BadFile);
  }
  CHECK_THROWS_AS(ExactIndex::load(folder.file("none")), std::system_error);
}

TEST_CASE("loading survives whatever a file holds") {
  const TemporaryFolder folder;
  const auto path = folder.file("index");
  sample(60).save(path);
  const auto good = read(path);
  std::mt19937 random(3);
  const auto query = sophon::tests::unit_vectors(random, 1, kDim);
  int loaded_anyway = 0;
  int refused = 0;
  for (int turn = 0; turn < 300; ++turn) {
    auto bytes = good;
    const std::size_t header_only = turn % 2 == 0 ? sizeof(FileHeader) + 16 : bytes.size();
    for (unsigned flips = 1 + random() % 8; flips > 0; --flips) {
      bytes[random() % header_only] = static_cast<char>(random());
    }
    if (turn % 5 == 0) {
      bytes.resize(random() % bytes.size());
    }
    if (turn % 4 == 0 && bytes.size() > sizeof(FileHeader)) {
      seal(bytes);
    }
    write(path, bytes);
    try {
      ExactIndex::load(path, turn % 3 != 0).search(query, {.k = 3});
      ++loaded_anyway;
    } catch (const BadFile&) {
      ++refused;
    }
  }
  CHECK(loaded_anyway + refused == 300);
  CHECK(loaded_anyway < 30);  // those whose flips changed nothing
}

TEST_CASE("vectors in files answer as vectors in memory do") {
  const TemporaryFolder folder;
  std::mt19937 random(4);
  const auto vectors = sophon::tests::unit_vectors(random, 5000, 24);
  const auto queries = sophon::tests::unit_vectors(random, 4, 24);
  std::vector<std::int64_t> keys(5000);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    keys[i] = static_cast<std::int64_t>(i);
  }
  ExactIndex in_memory(24);
  ExactIndex in_files = ExactIndex::with_vectors_in_files(24, folder.file(""));
  in_memory.add(keys, vectors);
  in_files.add(keys, vectors);
  CHECK(in_files.search(queries, {.k = 6}).scores == in_memory.search(queries, {.k = 6}).scores);
  CHECK(in_files.get(77) == in_memory.get(77));
}
