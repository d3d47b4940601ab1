# What `cmake --install` puts where: headers, library, CMake package, pkg-config file.
install(TARGETS inpaintrt EXPORT inpaintrtTargets)
install(DIRECTORY include/inpaintrt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/inpaintrt)
install(EXPORT inpaintrtTargets NAMESPACE inpaintrt:: DESTINATION ${package})
configure_package_config_file(cmake/inpaintrtConfig.cmake.in inpaintrtConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(inpaintrtConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/inpaintrtConfig.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/inpaintrtConfigVersion.cmake DESTINATION ${package})

if(BUILD_SHARED_LIBS)
    set(private_libraries "")
    set(definitions "")
else()
    set(private_libraries "-lstdc++ -pthread")
    if(CMAKE_DL_LIBS)
        string(APPEND private_libraries " -l${CMAKE_DL_LIBS}")
    endif()
    set(definitions "-DINPAINTRT_STATIC")
endif()
# Relative to the file itself: `cmake --install --prefix` may put all of it elsewhere.
file(RELATIVE_PATH to_prefix "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" /prefix)
string(REGEX REPLACE "/$" "" to_prefix "${to_prefix}")
configure_file(cmake/inpaintrt.pc.in inpaintrt.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/inpaintrt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
