/* The C header is C: this file is compiled by a C compiler. */
#include "inpaintrt/inpaintrt.h"

int32_t abi_version_as_c_sees_it(void) {
    return INPAINTRT_ABI_VERSION;
}
