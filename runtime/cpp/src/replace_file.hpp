// A file that is either the old one or the new one, whoever else writes it at the same time.
#pragma once

#include <cstddef>
#include <filesystem>

namespace inpaintrt::detail {

/// Replace a file, making its folder if there is none; false if the disk does not allow it.
bool replace_file(const std::filesystem::path& path, const void* data, std::size_t size);

}  // namespace inpaintrt::detail
