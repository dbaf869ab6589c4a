# diptych_module(NAME core DEPENDS ... [TORCH]): the library of one folder of src/. Sources are globbed, so that adding a
# component is adding a file. diptych_tests(NAME core): the test program of the mirrored folder of tests/unit/.

add_compile_options(-Wall -Wextra -Wshadow -Winvalid-pch)
add_compile_definitions(_GLIBCXX_ASSERTIONS)
if(DIPTYCH_WARNINGS_AS_ERRORS)
  add_compile_options(-Werror)
endif()
if(DIPTYCH_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

# One precompiled torch.h for all targets: made once, reused by every library and test that sees torch.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch.cpp CONTENT "")  # unlike WRITE, it leaves an equal file alone
add_library(diptych_pch OBJECT ${CMAKE_BINARY_DIR}/pch.cpp)
target_link_libraries(diptych_pch PUBLIC torch)
target_precompile_headers(diptych_pch PRIVATE <torch/torch.h>)

# Reading the precompiled torch.h costs about 6 s a file, a light header 1 s: sources that stay away from torch's modules
# and from the headers of ours that hold them are compiled without it.
function(_diptych_skip_pch_where_light)
  foreach(source ${ARGN})
    file(STRINGS ${source} heavy LIMIT_COUNT 1
         REGEX "^#include [<\"](torch/|(diptych/)?(model|loss|train)/|ATen/ATen.h|support/gradcheck|support/tensor_near)")
    if(NOT heavy)
      set_source_files_properties(${source} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
    endif()
  endforeach()
endfunction()

function(diptych_module)
  cmake_parse_arguments(ARG "TORCH" "NAME;FOLDER" "DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  if(NOT ARG_FOLDER)
    set(ARG_FOLDER ${ARG_NAME})
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${ARG_FOLDER}/*.cpp)
  if(NOT sources)
    add_library(diptych_${ARG_NAME} INTERFACE)
    target_include_directories(diptych_${ARG_NAME} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
    target_link_libraries(diptych_${ARG_NAME} INTERFACE ${ARG_DEPENDS})
    set_target_properties(diptych_${ARG_NAME} PROPERTIES EXPORT_NAME ${ARG_NAME})
    return()
  endif()
  add_library(diptych_${ARG_NAME} STATIC ${sources})
  add_library(diptych::${ARG_NAME} ALIAS diptych_${ARG_NAME})
  set_target_properties(diptych_${ARG_NAME} PROPERTIES EXPORT_NAME ${ARG_NAME})  # diptych::core for installed users too
  target_include_directories(diptych_${ARG_NAME}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(diptych_${ARG_NAME} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS})
  if(ARG_TORCH)
    _diptych_skip_pch_where_light(${sources})
    target_precompile_headers(diptych_${ARG_NAME} REUSE_FROM diptych_pch)
  endif()
endfunction()

function(diptych_tests)
  cmake_parse_arguments(ARG "TORCH" "NAME;FOLDER" "DEPENDS" ${ARGN})
  if(NOT ARG_FOLDER)
    set(ARG_FOLDER ${ARG_NAME})
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/unit/${ARG_FOLDER}/*_test.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${ARG_NAME}_test ${sources})
  target_include_directories(${ARG_NAME}_test PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${ARG_NAME}_test PRIVATE ${ARG_DEPENDS} GTest::gmock_main)
  target_compile_definitions(${ARG_NAME}_test PRIVATE DIPTYCH_GOLDEN_DIR="${PROJECT_SOURCE_DIR}/tests/golden"
                                                      DIPTYCH_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(ARG_TORCH)
    _diptych_skip_pch_where_light(${sources})
    target_precompile_headers(${ARG_NAME}_test REUSE_FROM diptych_pch)
  endif()
  if(NOT TARGET unit_tests)
    add_custom_target(unit_tests)
  endif()
  add_dependencies(unit_tests ${ARG_NAME}_test)
  add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME}_test)
  set_tests_properties(${ARG_NAME} PROPERTIES LABELS unit TIMEOUT 600 ENVIRONMENT "OMP_WAIT_POLICY=passive")
endfunction()
