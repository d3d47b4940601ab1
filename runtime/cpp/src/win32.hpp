// What the code for Windows shares: UTF-8 to its UTF-16 and back, and its error messages.
#pragma once

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <string>

namespace inpaintrt::detail {

std::wstring wide(const std::string& text);
std::string narrow(const std::wstring& text);

/// What Windows says about an error code, in one line of UTF-8 with the number.
std::string windows_error(DWORD code);

}  // namespace inpaintrt::detail
