# Install.cmake - headers, both libraries, the CMake package and paragram.pc.
if(NOT PARAGRAM_INSTALL)
    return()
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/paragram)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

# One export set for each library, so that a user of the shared one needs none of the packages inside it.
foreach(kind shared static)
    set_target_properties(paragram_${kind} PROPERTIES EXPORT_NAME ${kind})
    install(TARGETS paragram_${kind} EXPORT paragram-${kind}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(EXPORT paragram-${kind} NAMESPACE paragram:: DESTINATION ${package_dir})
endforeach()

configure_package_config_file(tools/cmake/paragramConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/paragramConfig.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/paragramConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/paragramConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/paragramConfigVersion.cmake
    DESTINATION ${package_dir})

# paragram.pc finds its prefix from where it lies, so that an installed tree can be moved. @PATHS@ are relative to it.
file(RELATIVE_PATH PARAGRAM_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH PARAGRAM_PC_LIBDIR ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH PARAGRAM_PC_INCLUDEDIR ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(tools/cmake/paragram.pc.in ${CMAKE_CURRENT_BINARY_DIR}/paragram.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/paragram.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
