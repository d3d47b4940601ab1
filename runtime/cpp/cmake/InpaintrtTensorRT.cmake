# TensorRT and TensorRT-RTX: the same source, compiled with the headers of each. Neither library is linked; where one is
# found, in the folder that is named or in a Python package, is remembered as the last place to look.

# The number that a header defines as one of these names.
function(inpaintrt_header_number header names result)
    file(STRINGS ${header} line REGEX "define (${names}) [0-9]+")
    string(REGEX MATCH "[0-9]+" number "${line}")
    set(${result} "${number}" PARENT_SCOPE)
endfunction()

# The file that the loader is asked for, for a library whose headers were found.
function(inpaintrt_library_name library headers result)
    # One line, in every release: #define NV_TENSORRT_MAJOR 10, or by way of TRT_MAJOR_ENTERPRISE, or TRT_MAJOR_RTX.
    inpaintrt_header_number(${headers}/NvInferVersion.h "NV_TENSORRT_MAJOR|TRT_MAJOR_[A-Z]+" major)
    inpaintrt_header_number(${headers}/NvInferVersion.h "NV_TENSORRT_MINOR|TRT_MINOR_[A-Z]+" minor)
    set(name nvinfer)
    if(library STREQUAL "tensorrt_rtx")
        set(name tensorrt_rtx)
        if(major GREATER 9)  # the headers of TensorRT, which fit this release of TensorRT-RTX only
            set(major 1)
            set(minor 7)
        endif()
    endif()
    if(WIN32)
        set(${result} ${name}_${major}.dll PARENT_SCOPE)
        if(library STREQUAL "tensorrt_rtx")
            set(${result} ${name}_${major}_${minor}.dll PARENT_SCOPE)
        endif()
    else()
        set(${result} lib${name}.so.${major} PARENT_SCOPE)
    endif()
endfunction()

# The library itself, in the folder's lib/ or in the Python package <library>_libs; empty if it is in neither.
function(inpaintrt_library_hint library name root result)
    find_package(Python3 COMPONENTS Interpreter QUIET)
    set(package "")
    if(Python3_Interpreter_FOUND)
        execute_process(
            COMMAND ${Python3_EXECUTABLE} -c
                "import importlib.util as u; s = u.find_spec('${library}_libs'); print(s.submodule_search_locations[0] if s else '')"
            OUTPUT_VARIABLE package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    endif()
    find_file(INPAINTRT_${library}_FILE ${name} HINTS ${root} ${package} PATH_SUFFIXES bin lib lib64 NO_DEFAULT_PATH)
    mark_as_advanced(INPAINTRT_${library}_FILE)
    set(${result} "" PARENT_SCOPE)
    if(INPAINTRT_${library}_FILE AND INPAINTRT_REMEMBER_LIBRARIES)
        set(${result} ${INPAINTRT_${library}_FILE} PARENT_SCOPE)
    endif()
endfunction()

# The source compiled for one of the libraries, which is asked for by `name`, and last looked for at `hint`.
function(inpaintrt_tensor_rt_objects target library headers name hint)
    string(COMPARE EQUAL ${library} "tensorrt_rtx" is_rtx)
    add_library(${target} OBJECT ${PROJECT_SOURCE_DIR}/src/backends/tensor_rt_runner.cpp)
    target_compile_definitions(${target} PRIVATE
        INPAINTRT_LIBRARY=${library} INPAINTRT_IS_RTX=${is_rtx} nvinfer1=nvinfer1_for_${library}
        INPAINTRT_LIBRARY_NAME="${name}" INPAINTRT_LIBRARY_HINT="${hint}"
        $<IF:$<BOOL:${BUILD_SHARED_LIBS}>,INPAINTRT_BUILDING,INPAINTRT_STATIC>)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include)
    # Warnings about other people's headers are not ours to fix.
    target_include_directories(${target} SYSTEM PRIVATE
        ${PROJECT_SOURCE_DIR}/src/backends/cuda_declarations ${headers})
    inpaintrt_compile(${target})
    if(INPAINTRT_SANITIZE)
        # The library's objects are of types whose names were not changed.
        target_compile_options(${target} PRIVATE -fno-sanitize=vptr)
    endif()
endfunction()

function(inpaintrt_add_tensor_rt option library root)
    if(NOT ${option})
        return()
    endif()
    if(MINGW)
        message(FATAL_ERROR "${option}: NVIDIA builds the library for Windows with Microsoft's compiler, whose classes have "
            "another layout than MinGW's; build inpaintrt with Microsoft's compiler (preset msvc) to run engines")
    endif()
    find_path(${option}_INCLUDE_DIR NvInferRuntime.h HINTS ${root} PATH_SUFFIXES include)
    if(NOT ${option}_INCLUDE_DIR)
        message(FATAL_ERROR "${option}: NvInferRuntime.h is missing; name the folder of the SDK or of its headers")
    endif()
    inpaintrt_library_name(${library} ${${option}_INCLUDE_DIR} name)
    inpaintrt_library_hint(${library} ${name} "${root}" hint)
    message(STATUS "${option}: headers ${${option}_INCLUDE_DIR}, library ${name}, last looked for at '${hint}'")
    inpaintrt_tensor_rt_objects(inpaintrt_${library} ${library} ${${option}_INCLUDE_DIR} ${name} "${hint}")
    string(TOUPPER ${library} macro)
    target_compile_definitions(inpaintrt_objects PRIVATE INPAINTRT_WITH_${macro})
    set_property(GLOBAL APPEND PROPERTY inpaintrt_more_objects $<TARGET_OBJECTS:inpaintrt_${library}>)
endfunction()

inpaintrt_add_tensor_rt(INPAINTRT_TENSORRT tensorrt "${TENSORRT_ROOT};$ENV{TENSORRT_ROOT}")
inpaintrt_add_tensor_rt(INPAINTRT_TENSORRT_RTX tensorrt_rtx "${TENSORRT_RTX_ROOT};$ENV{TENSORRT_RTX_ROOT}")
get_property(inpaintrt_more_objects GLOBAL PROPERTY inpaintrt_more_objects)
