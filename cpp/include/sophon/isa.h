// Instruction sets: which kernels were compiled, which this machine can run, which one is in use.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sophon {

// Ordered from the least to the most capable within one architecture. avx512vnni stands for VBMI as well: the CPUs with
// both are all but the first with VNNI.
enum class Isa : std::uint8_t { baseline, avx2, avx512, avx512vnni, neon, neondot };

std::string_view name(Isa isa);

// Throws std::invalid_argument for a name that no instruction set has.
Isa parse_isa(std::string_view name);

// The instruction sets that kernels exist for in this build, least capable first.
std::span<const Isa> compiled_isas();

bool cpu_supports(Isa isa);

// The compiled instruction sets that this machine can run, least capable first. Never empty: baseline runs anywhere.
std::vector<Isa> usable_isas();

// The instruction set for all kernels: what the environment variable SOPHON_ISA asks for, else the most capable usable
// one. Throws std::invalid_argument when SOPHON_ISA names an unknown one or one that this machine can't run.
Isa chosen_isa();

// The core's version, e.g. "0.1.0".
std::string_view version();

}  // namespace sophon
