// The clock on the wall, preloaded into a process: it is wrong by as many seconds as a file says, and may be set while
// the process runs; the kernel knows when. Monotonic clocks go on as they do when a real clock is set.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timex.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

using Seconds = std::atomic<std::int64_t>;

std::int64_t wrong_by() {
  static const auto* seconds = static_cast<const Seconds*>(
      mmap(nullptr, sizeof(Seconds), PROT_READ, MAP_SHARED, open(getenv("CLOCK_WRONG_BY"), O_RDONLY | O_CLOEXEC), 0));
  return seconds->load();
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  static const auto real = reinterpret_cast<decltype(&clock_gettime)>(dlsym(RTLD_NEXT, "clock_gettime"));
  const int result = real(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    now->tv_sec += wrong_by();
  }
  return result;
}

int gettimeofday(timeval* now, void* /*zone*/) noexcept {
  timespec precise{};
  const int result = clock_gettime(CLOCK_REALTIME, &precise);
  *now = {precise.tv_sec, precise.tv_nsec / 1000};
  return result;
}

// A clock that is wrong is one that nothing keeps in time.
int adjtimex(timex* state) noexcept {
  *state = {};
  state->status = wrong_by() == 0 ? 0 : STA_UNSYNC;
  return wrong_by() == 0 ? TIME_OK : TIME_ERROR;
}

time_t time(time_t* now) noexcept {
  timespec precise{};
  clock_gettime(CLOCK_REALTIME, &precise);
  if (now != nullptr) {
    *now = precise.tv_sec;
  }
  return precise.tv_sec;
}

}  // extern "C"
