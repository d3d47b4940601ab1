// What Microsoft's standard library (github.com/microsoft/STL) takes from headers of the compiler that come with Visual
// Studio only: declarations, enough to check that code compiles. tests/runtime/cpp_microsoft.py includes it first.
#pragma once

#define _HAS_EXCEPTIONS 1
#define _HAS_CXX17 1
#define _HAS_CXX20 0
#define _HAS_CXX23 0
#define __CLRCALL_PURE_OR_CDECL __cdecl
#define __CLRCALL_OR_CDECL __cdecl
#define __CLR_OR_THIS_CALL
#define __CLRCALL_PURE_OR_STDCALL __stdcall
#define _ACRTIMP
#define _VCRTIMP
#define _CRTIMP2
#define _CRT_BEGIN_C_HEADER extern "C" {
#define _CRT_END_C_HEADER }
#define _CRT_GUARDOVERFLOW
#define _CRT_NOEXCEPT noexcept
#define _CRT_SATELLITE_1
#define _CRT_SATELLITE_2
#define _CRT_SATELLITE_CODECVT_IDS_NOIMPORT
#define _CRT_SECURE_INVALID_PARAMETER(condition) ((void)0)
#define _CRT_STRINGIZE_(text) #text
#define _CRT_STRINGIZE(text) _CRT_STRINGIZE_(text)
#define _Deref_post_opt_valid_
#define _Frees_ptr_opt_
#define _NODISCARD [[nodiscard]]
#define _HAS_NODISCARD 1
#define _CONST_RETURN const
#define _UNALIGNED
#define __CRTDECL __cdecl
#define _STATIC_ASSERT(...) static_assert(__VA_ARGS__)
#define __ISA_AVAILABLE_SSE42 2
#define __ISA_AVAILABLE_AVX2 5
#define __PLACEMENT_NEW_INLINE
#define __PLACEMENT_VEC_NEW_INLINE

#include <crtdefs.h>
#undef __MINGW_IMPORT
#define __MINGW_IMPORT extern
#include <math.h>
#include <sal.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include <vadefs.h>
#include <wchar.h>

// Microsoft's are functions.
#undef fpclassify
#undef signbit
#undef isfinite
#undef isinf
#undef isnan
#undef isnormal
#undef isgreater
#undef isgreaterequal
#undef isless
#undef islessequal
#undef islessgreater
#undef isunordered
template <typename T> int fpclassify(T) noexcept;
template <typename T> bool signbit(T) noexcept;
template <typename T> bool isfinite(T) noexcept;
template <typename T> bool isinf(T) noexcept;
template <typename T> bool isnan(T) noexcept;
template <typename T> bool isnormal(T) noexcept;
template <typename T, typename U> bool isgreater(T, U) noexcept;
template <typename T, typename U> bool isgreaterequal(T, U) noexcept;
template <typename T, typename U> bool isless(T, U) noexcept;
template <typename T, typename U> bool islessequal(T, U) noexcept;
template <typename T, typename U> bool islessgreater(T, U) noexcept;
template <typename T, typename U> bool isunordered(T, U) noexcept;

using _Mbstatet = mbstate_t;
using __vcrt_bool = bool;
using terminate_handler = void(__cdecl*)();
using unexpected_handler = void(__cdecl*)();

extern "C" {
[[noreturn]] void __cdecl _invoke_watson(const wchar_t*, const wchar_t*, const wchar_t*, unsigned int, size_t);
[[noreturn]] void __cdecl quick_exit(int);
[[noreturn]] void __cdecl terminate() noexcept;
int __cdecl at_quick_exit(void(__cdecl*)());
int __cdecl timespec_get(timespec*, int);
int __cdecl _get_stream_buffer_pointers(FILE*, char***, char***, int**);
terminate_handler __cdecl set_terminate(terminate_handler) noexcept;
terminate_handler __cdecl _get_terminate();
void __cdecl unexpected();
unexpected_handler __cdecl set_unexpected(unexpected_handler) noexcept;
unexpected_handler __cdecl _get_unexpected();
unsigned char _BitScanForward(unsigned long*, unsigned long);
unsigned char _BitScanReverse(unsigned long*, unsigned long);
unsigned char _BitScanForward64(unsigned long*, unsigned __int64);
unsigned char _BitScanReverse64(unsigned long*, unsigned __int64);
unsigned __int64 _umul128(unsigned __int64, unsigned __int64, unsigned __int64*);
unsigned __int64 __shiftright128(unsigned __int64, unsigned __int64, unsigned char);
}

namespace std {
struct nothrow_t {
    explicit nothrow_t() = default;
};
extern const nothrow_t nothrow;
enum class align_val_t : size_t {};
}  // namespace std

void* operator new(size_t);
void* operator new[](size_t);
void* operator new(size_t, const std::nothrow_t&) noexcept;
void* operator new[](size_t, const std::nothrow_t&) noexcept;
void* operator new(size_t, std::align_val_t);
void* operator new(size_t, void*) noexcept;
void* operator new[](size_t, void*) noexcept;
void operator delete(void*) noexcept;
void operator delete[](void*) noexcept;
void operator delete(void*, size_t) noexcept;
void operator delete[](void*, size_t) noexcept;
void operator delete(void*, std::align_val_t) noexcept;
void operator delete(void*, size_t, std::align_val_t) noexcept;
void operator delete(void*, void*) noexcept;

struct __std_exception_data {
    const char* _What;
    bool _DoFree;
};

class type_info {
public:
    virtual ~type_info() noexcept;
    size_t hash_code() const noexcept;
    bool operator==(const type_info&) const noexcept;
    bool operator!=(const type_info&) const noexcept;
    const char* name() const;
};

namespace std {
using ::type_info;

class exception {
public:
    exception() noexcept;
    explicit exception(const char*) noexcept;
    exception(const char*, int) noexcept;
    exception(const exception&) noexcept;
    exception& operator=(const exception&) noexcept;
    virtual ~exception() noexcept;
    virtual const char* what() const;
};

class bad_alloc : public exception {
public:
    bad_alloc() noexcept;

protected:
    explicit bad_alloc(const char*) noexcept;
};
class bad_array_new_length : public bad_alloc {};
class bad_exception : public exception {};

class bad_cast : public exception {
public:
    static bad_cast __construct_from_string_literal(const char*) noexcept;
};
class bad_typeid : public exception {
public:
    static bad_typeid __construct_from_string_literal(const char*) noexcept;
};
class __non_rtti_object : public bad_typeid {};
}  // namespace std
