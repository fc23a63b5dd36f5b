// A disk that forgets, preloaded into a process: what it writes under one folder reaches another folder, the "disk",
// when it is synced. Of what is not synced yet some pieces get there early, as they do when a kernel writes back.
// SIGKILL is then a power cut, and the disk's folder is what the machine finds when it starts again.
//
// Not modelled: names of files (made, renamed, removed) are on the disk at once, and memory-mapped writes never are.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr off_t kPiece = 4096;
constexpr int kEarlyOneIn = 4;
constexpr useconds_t kSyncMicroseconds = 20'000;  // as a flash card needs

using Range = std::pair<off_t, off_t>;  // from, to

template <typename Function>
Function* next(Function* /*kind*/, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}
#define NEXT(function) next(static_cast<decltype(&::function)>(nullptr), #function)

class Disk {
 public:
  // Never destroyed: other threads go on while the process ends.
  static Disk& instance() {
    static auto* disk = new Disk;
    return *disk;
  }

  // Where an open file is in the folder; empty if it is elsewhere.
  std::string name(int file) const {
    std::array<char, 4096> target{};
    const std::string link = "/proc/self/fd/" + std::to_string(file);
    const ssize_t length = readlink(link.c_str(), target.data(), target.size());
    return length < 0 ? "" : name(std::string(target.data(), static_cast<size_t>(length)));
  }

  std::string name(const std::string& path) const {
    const std::string whole = std::filesystem::absolute(path).string();
    const bool inside = !live_.empty() && whole.rfind(live_ + "/", 0) == 0;
    return inside ? whole.substr(live_.size() + 1) : "";
  }

  void written(int file, off_t at, ssize_t count) {
    const std::string where = count > 0 ? name(file) : "";
    if (where.empty()) {
      return;
    }
    const std::lock_guard lock(mutex_);
    unsynced_[where].push_back({at, at + count});
    std::vector<Range> early;
    for (off_t from = at; from < at + count; from += kPiece) {
      if (random_() % kEarlyOneIn == 0) {
        early.push_back({from, std::min(from + kPiece, at + count)});
      }
    }
    copy(where, early);
  }

  void synced(int file) {
    const std::string where = name(file);
    if (where.empty() || std::filesystem::is_directory(live_ + "/" + where)) {
      return;
    }
    const std::lock_guard lock(mutex_);
    copy(where, unsynced_[where]);
    unsynced_.erase(where);
    std::filesystem::resize_file(disk_ + "/" + where, std::filesystem::file_size(live_ + "/" + where));
  }

  void renamed(const std::string& from, const std::string& to) {
    if (from.empty() || to.empty()) {
      return;
    }
    const std::lock_guard lock(mutex_);
    copy(from, {});
    NEXT(rename)((disk_ + "/" + from).c_str(), (disk_ + "/" + to).c_str());
    unsynced_[to] = unsynced_[from];
    unsynced_.erase(from);
  }

  void removed(const std::string& where) {
    if (where.empty()) {
      return;
    }
    const std::lock_guard lock(mutex_);
    unsynced_.erase(where);
    NEXT(unlink)((disk_ + "/" + where).c_str());
  }

 private:
  Disk() : live_(getenv("POWER_CUT_LIVE")), disk_(getenv("POWER_CUT_DISK")) {}

  void copy(const std::string& where, const std::vector<Range>& ranges) {
    std::filesystem::create_directories(std::filesystem::path(disk_ + "/" + where).parent_path());
    const int source = open((live_ + "/" + where).c_str(), O_RDONLY | O_CLOEXEC);
    const int sink = open((disk_ + "/" + where).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    std::vector<char> bytes;
    for (const auto& [from, to] : ranges) {
      bytes.resize(static_cast<size_t>(to - from));
      const ssize_t count = pread(source, bytes.data(), bytes.size(), from);
      if (count > 0 && NEXT(pwrite)(sink, bytes.data(), static_cast<size_t>(count), from) != count) {
        perror("power_cut");
        abort();
      }
    }
    close(source);
    close(sink);
  }

  const std::string live_;
  const std::string disk_;
  std::mutex mutex_;
  std::map<std::string, std::vector<Range>> unsynced_;
  std::minstd_rand random_{std::random_device{}()};
};

Disk& disk() { return Disk::instance(); }

}  // namespace

extern "C" {

ssize_t write(int file, const void* bytes, size_t size) {
  const ssize_t count = NEXT(write)(file, bytes, size);
  if (count > 0) {
    const int error = errno;
    disk().written(file, lseek(file, 0, SEEK_CUR) - count, count);
    errno = error;
  }
  return count;
}

ssize_t pwrite(int file, const void* bytes, size_t size, off_t at) {
  const ssize_t count = NEXT(pwrite)(file, bytes, size, at);
  disk().written(file, at, count);
  return count;
}

ssize_t pwrite64(int file, const void* bytes, size_t size, off_t at) { return pwrite(file, bytes, size, at); }

int fsync(int file) {
  usleep(kSyncMicroseconds);
  disk().synced(file);
  return 0;
}

int fdatasync(int file) { return fsync(file); }

int rename(const char* from, const char* to) noexcept {
  const int result = NEXT(rename)(from, to);
  if (result == 0) {
    disk().renamed(disk().name(from), disk().name(to));
  }
  return result;
}

int unlink(const char* path) noexcept {
  const int result = NEXT(unlink)(path);
  if (result == 0) {
    disk().removed(disk().name(path));
  }
  return result;
}

}  // extern "C"
