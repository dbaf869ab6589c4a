# What src/train/version.cpp says of the program. The state of the checkout is looked up at every build, not only when CMake
# configures: a program built from changed files must not pass for its commit.
set(commit_folder ${CMAKE_BINARY_DIR}/generated)
add_custom_target(diptych_commit
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DHEADER=${commit_folder}/diptych_commit.h
          -P ${CMAKE_CURRENT_LIST_DIR}/WriteCommit.cmake
  BYPRODUCTS ${commit_folder}/diptych_commit.h COMMENT "Re-checking the commit" VERBATIM)
add_dependencies(diptych_train diptych_commit)
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
string(STRIP "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${build_type}}" build_flags)
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/train/version.cpp TARGET_DIRECTORY diptych_train PROPERTIES
  SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON INCLUDE_DIRECTORIES ${commit_folder}
  COMPILE_DEFINITIONS "DIPTYCH_VERSION=\"${PROJECT_VERSION}\";DIPTYCH_BUILD=\"${CMAKE_BUILD_TYPE}, ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, ${build_flags}\"")
