#include <doctest/doctest.h>

#include <cstdlib>
#include <stdexcept>

#include "sophon/isa.h"

using sophon::Isa;

TEST_CASE("every compiled instruction set has a name that parses back") {
  for (const Isa isa : sophon::compiled_isas()) {
    CHECK(sophon::parse_isa(sophon::name(isa)) == isa);
  }
}

TEST_CASE("the baseline is always usable and SOPHON_ISA can force it") {
  CHECK(sophon::usable_isas().front() == Isa::baseline);
  setenv("SOPHON_ISA", "baseline", 1);
  CHECK(sophon::chosen_isa() == Isa::baseline);
  unsetenv("SOPHON_ISA");
}

TEST_CASE("an instruction set of another machine is refused by name") {
#if defined(__x86_64__)
  setenv("SOPHON_ISA", "neon", 1);
#else
  setenv("SOPHON_ISA", "avx2", 1);
#endif
  CHECK_THROWS_AS(sophon::chosen_isa(), std::invalid_argument);
  setenv("SOPHON_ISA", "mmx", 1);
  CHECK_THROWS_AS(sophon::chosen_isa(), std::invalid_argument);
  unsetenv("SOPHON_ISA");
}
