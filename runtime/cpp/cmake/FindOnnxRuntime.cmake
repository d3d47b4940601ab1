# ONNX Runtime's C header, which is needed to build, and its shared library, which is only remembered as a place to look.
#
# Looks in ONNXRUNTIME_ROOT (an unpacked release of ONNX Runtime, or any folder with include/ and lib/), in the system's
# folders (Debian: libonnxruntime-dev), and for the library also in the Python package onnxruntime, of the interpreter
# that Python3_EXECUTABLE names or CMake finds.
#
# Sets OnnxRuntime_INCLUDE_DIR, and OnnxRuntime_LIBRARY (empty if there is none).
find_path(OnnxRuntime_INCLUDE_DIR onnxruntime_c_api.h
    HINTS ${ONNXRUNTIME_ROOT} $ENV{ONNXRUNTIME_ROOT}
    PATH_SUFFIXES include include/onnxruntime include/onnxruntime/core/session onnxruntime onnxruntime/core/session)

find_library(OnnxRuntime_LIBRARY onnxruntime
    HINTS ${ONNXRUNTIME_ROOT} $ENV{ONNXRUNTIME_ROOT} PATH_SUFFIXES lib lib64)
if(NOT OnnxRuntime_LIBRARY)
    find_package(Python3 COMPONENTS Interpreter QUIET)
    if(Python3_Interpreter_FOUND)
        execute_process(
            COMMAND ${Python3_EXECUTABLE} -c
                "import importlib.util as u; s = u.find_spec('onnxruntime'); print(s.submodule_search_locations[0] if s else '')"
            OUTPUT_VARIABLE package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
        file(GLOB found "${package}/capi/libonnxruntime.so.*" "${package}/capi/libonnxruntime.*.dylib"
            "${package}/capi/onnxruntime.dll")
        if(found)
            list(GET found 0 found)
            set(OnnxRuntime_LIBRARY ${found} CACHE FILEPATH "ONNX Runtime's shared library" FORCE)
        endif()
    endif()
endif()
if(NOT OnnxRuntime_LIBRARY)
    set(OnnxRuntime_LIBRARY "")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OnnxRuntime
    REQUIRED_VARS OnnxRuntime_INCLUDE_DIR
    REASON_FAILURE_MESSAGE "ONNX Runtime's header onnxruntime_c_api.h is missing: install libonnxruntime-dev (Debian), \
or unpack a release of ONNX Runtime and name its folder with -DONNXRUNTIME_ROOT=...")
mark_as_advanced(OnnxRuntime_INCLUDE_DIR OnnxRuntime_LIBRARY)
