// SHA-256 (FIPS 180-4, section 6.2), which bundles are checked with.
//
// Written here because a cryptographic library would be the largest dependency of an application that embeds this one,
// for one function of sixty lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace inpaintrt::detail {

/// 64 hexadecimal digits in lower case.
std::string sha256(const std::uint8_t* data, std::size_t size);

}  // namespace inpaintrt::detail
