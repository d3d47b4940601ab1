// What TensorRT's headers take from CUDA's, so that CUDA's own are not needed to build: two opaque handles. They are the
// driver's CUstream and CUevent.
#pragma once

typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
