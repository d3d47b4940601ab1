# The files that the loader is asked for, by the version that a release's headers have: cmake -P library_names.cmake
include(${CMAKE_CURRENT_LIST_DIR}/../cmake/InpaintrtTensorRT.cmake)

set(headers ${CMAKE_CURRENT_BINARY_DIR}/library-names)
function(expect library version windows elsewhere)
    file(WRITE ${headers}/NvInferVersion.h "${version}")
    foreach(WIN32 1 0)
        inpaintrt_library_name(${library} ${headers} name)
        set(expected ${elsewhere})
        if(WIN32)
            set(expected ${windows})
        endif()
        if(NOT name STREQUAL expected)
            message(SEND_ERROR "${library} with WIN32 ${WIN32}: ${name}, expected ${expected}, of\n${version}")
        endif()
    endforeach()
endfunction()

set(by_number "#define NV_TENSORRT_MAJOR 10 //!< major\n#define NV_TENSORRT_MINOR 12 //!< minor\n")
string(CONCAT by_name "#define TRT_MAJOR_ENTERPRISE 11\n#define TRT_MINOR_ENTERPRISE 1\n"
    "#define NV_TENSORRT_MAJOR TRT_MAJOR_ENTERPRISE //!< major\n#define NV_TENSORRT_MINOR TRT_MINOR_ENTERPRISE //!< minor\n")
string(REPLACE "ENTERPRISE 11" "RTX 1" of_rtx "${by_name}")
string(REPLACE "ENTERPRISE 1" "RTX 5" of_rtx "${of_rtx}")
string(REPLACE "ENTERPRISE" "RTX" of_rtx "${of_rtx}")
expect(tensorrt "${by_number}" nvinfer_10.dll libnvinfer.so.10)
expect(tensorrt "${by_name}" nvinfer_11.dll libnvinfer.so.11)
expect(tensorrt_rtx "${of_rtx}" tensorrt_rtx_1_5.dll libtensorrt_rtx.so.1)
# Headers of TensorRT are used for TensorRT-RTX 1.7 only.
expect(tensorrt_rtx "${by_name}" tensorrt_rtx_1_7.dll libtensorrt_rtx.so.1)
