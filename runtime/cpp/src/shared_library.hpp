// A library that is opened when it is used, so that a program starts on machines that lack it.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace inpaintrt::detail {

class SharedLibrary {
public:
    /// The first of these files or sonames that opens; throws std::runtime_error with the loader's words for each.
    ///
    /// It stays open for the life of the process: these libraries start threads and register destructors, which do
    /// not survive being unmapped.
    static SharedLibrary open(const std::vector<std::string>& names);

    /// Whether the process ends and a library that was opened may be gone, so that nothing in it can be called: as seen by
    /// static objects that were made before it was opened, such as an empty std::optional.
    static bool process_ends() noexcept;

    /// A function; throws std::runtime_error if there is none of this name.
    template <typename Function>
    Function* function(const char* name) const {
        return reinterpret_cast<Function*>(symbol(name));
    }

    /// The file or soname that was opened.
    const std::string& name() const { return name_; }

private:
    SharedLibrary(void* handle, std::string name) : handle_(handle), name_(std::move(name)) {}
    void* symbol(const char* name) const;

    void* handle_;
    std::string name_;
};

/// Where to look for a library of this file name, best first; names for `SharedLibrary::open`.
///
/// On Windows the folder of this library, that of the program, and those of PATH come before what Windows itself would
/// find: its system folder holds an old ONNX Runtime, and a plug-in's own folder is not searched. Elsewhere it is the
/// name, which the loader looks for.
std::vector<std::string> places_of(const std::string& name);

/// The value of an environment variable, if it is set and not empty.
std::optional<std::string> environment(const char* name);

}  // namespace inpaintrt::detail
