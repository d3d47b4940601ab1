#include "win32.hpp"

#include <filesystem>

namespace inpaintrt::detail {

std::wstring wide(const std::string& text) {
    return std::filesystem::u8path(text).wstring();
}

std::string narrow(const std::wstring& text) {
    return std::filesystem::path(text).u8string();
}

std::string windows_error(DWORD code) {
    constexpr DWORD most = 512;
    wchar_t buffer[most];
    constexpr DWORD how = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK;
    const DWORD length = FormatMessageW(how, nullptr, code, 0, buffer, most, nullptr);
    std::string words = narrow(std::wstring(buffer, length));
    while (!words.empty() && (words.back() == ' ' || words.back() == '.')) words.pop_back();
    return words + (words.empty() ? "" : " ") + "(Windows error " + std::to_string(code) + ")";
}

}  // namespace inpaintrt::detail
