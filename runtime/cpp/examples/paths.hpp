// Paths of any script and length, on Windows as elsewhere: UTF-8 on the command line and in messages.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#ifndef NOMINMAX
#define NOMINMAX  // MinGW has it already
#endif
#include <windows.h>
#include <shellapi.h>
#endif

namespace examples {

/// What follows the program's name on its command line, in UTF-8.
inline std::vector<std::string> arguments([[maybe_unused]] int count, [[maybe_unused]] char** given) {
    std::vector<std::string> words;
#ifdef _WIN32
    SetConsoleOutputCP(CP_UTF8);
    int number = 0;
    wchar_t** wide = CommandLineToArgvW(GetCommandLineW(), &number);
    for (int i = 1; i < number; ++i) words.push_back(std::filesystem::path(wide[i]).u8string());
    LocalFree(wide);
#else
    words.assign(given + 1, given + count);
#endif
    return words;
}

/// The path that a text in UTF-8 names; on Windows in the form that has no limit of 260 characters.
inline std::filesystem::path to_path(const std::string& utf8) {
    const std::filesystem::path path = std::filesystem::u8path(utf8);
#ifdef _WIN32
    std::wstring full(32768, L'\0');  // the longest that Windows has
    full.resize(GetFullPathNameW(path.c_str(), static_cast<DWORD>(full.size()), full.data(), nullptr));
    if (full.size() > 240 && full.substr(0, 2) != L"\\\\") return L"\\\\?\\" + full;
#endif
    return path;
}

/// Empty if the file cannot be read.
inline std::vector<std::uint8_t> read_file(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

/// False if the disk does not allow it; then the file is what it was.
inline bool write_file(const std::filesystem::path& path, const void* data, std::size_t size) {
    std::filesystem::path partial = path;
    partial += ".partial";
    std::ofstream stream(partial, std::ios::binary);
    stream.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    stream.close();
    std::error_code error;
    if (stream) std::filesystem::rename(partial, path, error);
    if (stream && !error) return true;
    std::filesystem::remove(partial, error);
    return false;
}

}  // namespace examples
