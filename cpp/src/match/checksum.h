// A 64-bit checksum at the speed of memory, against damage, not against malice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sophon::match {

// Eight lanes over the little-endian 64-bit words, each a bijection of its state for every word: a change within one
// lane's words can't cancel out unless two words of it changed. The last words are filled up with zeros.
std::uint64_t checksum(std::span<const std::byte> bytes);

}  // namespace sophon::match
