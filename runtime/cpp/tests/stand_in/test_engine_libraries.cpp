// Where the libraries of engines are looked for.

#include "engines.hpp"

namespace inpaintrt::testing {
namespace {

TEST_P(Engines, TheLibraryOfTheSdkIsTheLastPlaceToLook) {
    const fs::path sdk = fs::u8path(STAND_IN_SDK) / (std::string(GetParam()) + ".library");
    fs::create_directories(sdk.parent_path());
    fs::path used = sdk;
    used += ".used";  // a library that is open can be renamed on Windows, and not removed
    fs::remove(used);
    set_environment(variable(), "");
    expect_error(ErrorCode::Backend, "; " + sdk.generic_u8string() + ": ", [&] { Inpainter(bundle_, on_gpu()); });
    fs::copy_file(fs::u8path(STAND_IN_LIBRARY), sdk);
    Inpainter inpainter(bundle_, on_gpu());
    fill(inpainter, 48, 48, 0);
    fs::rename(sdk, used);
}

TEST_P(Engines, AFileThatTheVariableNamesIsTheOnlyPlaceToLook) {
    set_environment(variable(), "no-such-library");
    expect_error(ErrorCode::Backend, "the library does not load: no-such-library: ", [&] { Inpainter(bundle_, on_gpu()); });
    expect_error(ErrorCode::Backend, std::string("or name its file with ") + variable(),
                 [&] { Inpainter(bundle_, on_gpu()); });
}

#ifdef _WIN32
TEST_P(Engines, OnWindowsTheProgramsFolderComesBeforePath) {
    const fs::path library = fs::u8path(STAND_IN_LIBRARY);
    const std::string name = rtx() ? "tensorrt_rtx_1_7.dll" : "nvinfer_11.dll";
    set_environment(variable(), "");
    expect_error(ErrorCode::Backend, "the library does not load: " + name, [&] { Inpainter(bundle_, on_gpu()); });
    const fs::path folder = copy().parent_path() / fs::u8path(u8"Bibliotheken f\u00fcr " + std::string(GetParam()));
    fs::create_directories(folder);
    fs::copy_file(library, folder / name, fs::copy_options::overwrite_existing);
    SetEnvironmentVariableW(L"PATH", (L"C:\\none;" + folder.wstring()).c_str());
    const detail::SharedLibrary found = detail::SharedLibrary::open(detail::places_of(name));
    EXPECT_EQ(found.name(), (folder / name).u8string());
    Inpainter inpainter(with_engine(dynamic()), on_gpu());
    fill(inpainter, 48, 48, 0);
    wchar_t program[MAX_PATH];
    GetModuleFileNameW(nullptr, program, MAX_PATH);
    const fs::path beside = fs::path(program).parent_path() / name;
    fs::copy_file(library, beside, fs::copy_options::overwrite_existing);
    EXPECT_EQ(detail::places_of(name).front(), beside.u8string());
    fs::remove(beside);
}
#endif

}  // namespace
}  // namespace inpaintrt::testing
