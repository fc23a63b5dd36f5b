#include "sophon/isa.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace sophon {
namespace {

constexpr std::array<std::pair<Isa, std::string_view>, 6> kNames{{
    {Isa::baseline, "baseline"},
    {Isa::avx2, "avx2"},
    {Isa::avx512, "avx512"},
    {Isa::avx512vnni, "avx512vnni"},
    {Isa::neon, "neon"},
    {Isa::neondot, "neondot"},
}};

#if defined(__x86_64__)
constexpr std::array kCompiled{Isa::baseline, Isa::avx2, Isa::avx512, Isa::avx512vnni};
#elif defined(__aarch64__)
constexpr std::array kCompiled{Isa::baseline, Isa::neon, Isa::neondot};
#else
constexpr std::array kCompiled{Isa::baseline};
#endif

std::string joined(std::span<const Isa> isas) {
  std::string text;
  for (const Isa isa : isas) {
    text += (text.empty() ? "" : ", ");
    text += name(isa);
  }
  return text;
}

}  // namespace

std::string_view name(Isa isa) {
  return std::ranges::find(kNames, isa, &std::pair<Isa, std::string_view>::first)->second;
}

Isa parse_isa(std::string_view text) {
  const auto found = std::ranges::find(kNames, text, &std::pair<Isa, std::string_view>::second);
  if (found == kNames.end()) {
    throw std::invalid_argument("unknown instruction set '" + std::string(text) +
                                "'; this build has: " + joined(compiled_isas()));
  }
  return found->first;
}

std::span<const Isa> compiled_isas() { return kCompiled; }

// GCC's and Clang's __builtin_cpu_supports also asks the operating system (XGETBV) whether it saves the registers.
bool cpu_supports(Isa isa) {
  switch (isa) {
    case Isa::baseline:
      return true;
#if defined(__x86_64__)
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::avx512:
      return cpu_supports(Isa::avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case Isa::avx512vnni:
      return cpu_supports(Isa::avx512) && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
#elif defined(__aarch64__)
    case Isa::neon:
      return true;
    case Isa::neondot:
      return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
    default:
      return false;
  }
}

std::vector<Isa> usable_isas() {
  std::vector<Isa> usable;
  std::ranges::copy_if(compiled_isas(), std::back_inserter(usable), cpu_supports);
  return usable;
}

Isa chosen_isa() {
  const auto usable = usable_isas();
  const char* const forced = std::getenv("SOPHON_ISA");
  if (forced == nullptr || *forced == '\0') {
    return usable.back();
  }
  const Isa isa = parse_isa(forced);
  if (std::ranges::find(usable, isa) == usable.end()) {
    throw std::invalid_argument("SOPHON_ISA=" + std::string(forced) +
                                ": this machine can't run it; it can run: " + joined(usable));
  }
  return isa;
}

std::string_view version() { return SOPHON_VERSION; }

}  // namespace sophon
