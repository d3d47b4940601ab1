# How everything of this project is compiled: C++17, symbols hidden, warnings, and the sanitizers that were asked for.
function(inpaintrt_compile target)
    set_target_properties(${target} PROPERTIES
        CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
        CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
    if(MSVC)
        target_compile_options(${target} PRIVATE /W4 /utf-8 /permissive-)
    else()
        target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
    endif()
    if(INPAINTRT_SANITIZE)
        target_compile_options(${target} PRIVATE
            -fsanitize=${INPAINTRT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
        target_link_options(${target} PUBLIC -fsanitize=${INPAINTRT_SANITIZE})
    endif()
endfunction()
