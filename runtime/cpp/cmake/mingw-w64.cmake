# Builds for Windows (x86-64) with MinGW-w64, and runs what it built under Wine.
#
#     cmake --toolchain runtime/cpp/cmake/mingw-w64.cmake -DMINGW_ROOT=folder ...
#
# MINGW_ROOT is the folder whose bin/ holds the compiler, such as /usr or where `make cpp-windows` unpacked it; without
# it, PATH is searched. WINE is the program that runs Windows programs; without one, CTest cannot run the tests.
#
# Everything of the toolchain is linked in, so that a program needs no DLL of it. Threads are those of POSIX
# (winpthreads): MinGW's own threads lack std::mutex before GCC 13.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES MINGW_ROOT)

set(triple x86_64-w64-mingw32)
if(MINGW_ROOT)
    set(where HINTS ${MINGW_ROOT}/bin NO_DEFAULT_PATH)
endif()
find_program(CMAKE_C_COMPILER NAMES ${triple}-gcc-posix ${triple}-gcc ${where} REQUIRED)
find_program(CMAKE_CXX_COMPILER NAMES ${triple}-g++-posix ${triple}-g++ ${where} REQUIRED)
find_program(CMAKE_RC_COMPILER NAMES ${triple}-windres ${where} REQUIRED)

set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "-static")
set(CMAKE_MODULE_LINKER_FLAGS_INIT "-static")

# FindZLIB would take zlib1.dll.
find_file(ZLIB_LIBRARY libz.a HINTS ${MINGW_ROOT}/${triple}/lib /usr/${triple}/lib NO_DEFAULT_PATH)

# Headers and libraries for Windows only; programs of this machine.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY BOTH)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)
list(APPEND CMAKE_IGNORE_PREFIX_PATH /usr /usr/local)

find_program(WINE NAMES wine64 wine)
if(WINE)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${WINE})
endif()
