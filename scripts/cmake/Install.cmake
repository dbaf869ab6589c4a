# cmake --install gives a relocatable program and a library for find_package(diptych).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(_libraries diptych_log diptych_core diptych_core_io diptych_tensor diptych_data diptych_image diptych_model
    diptych_loss diptych_eval diptych_train diptych_report)
install(TARGETS ${_libraries} EXPORT diptychTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS diptych RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/diptych DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs DESTINATION ${CMAKE_INSTALL_DATADIR}/diptych)
install(EXPORT diptychTargets NAMESPACE diptych:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/diptych)
configure_package_config_file(${PROJECT_SOURCE_DIR}/scripts/cmake/diptychConfig.cmake.in
                              ${CMAKE_BINARY_DIR}/diptychConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/diptych)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/diptychConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/diptychConfig.cmake ${CMAKE_BINARY_DIR}/diptychConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/diptych)
