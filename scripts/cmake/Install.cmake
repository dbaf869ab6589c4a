# cmake --install gives a relocatable program and a library for find_package(diptych).
#
# The program finds the shared libraries of torch by its RPATH: first beside itself (<prefix>/lib, for whoever ships LibTorch
# along), then where it was built against. The prefix can be moved as a whole; torch stays where it is.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(_libraries diptych_log diptych_core diptych_core_io diptych_tensor diptych_data diptych_image diptych_model
    diptych_loss diptych_eval diptych_train diptych_report)
install(TARGETS ${_libraries} EXPORT diptychTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
file(RELATIVE_PATH _from_bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
set_target_properties(diptych PROPERTIES INSTALL_RPATH "$ORIGIN/${_from_bin_to_lib};$<TARGET_FILE_DIR:torch>")
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

# The consumer's torch must be the one that the library was built with.
if(DIPTYCH_BUILD_TESTS)
  add_test(NAME install_test COMMAND ${PROJECT_SOURCE_DIR}/tests/integration/install_test.sh
           ${CMAKE_COMMAND} ${CMAKE_BINARY_DIR} ${PROJECT_SOURCE_DIR} ${Torch_DIR})
  set_tests_properties(install_test PROPERTIES LABELS integration TIMEOUT 600)
endif()
