# Uses ccache where it is installed. Precompiled headers need the two sloppiness settings to be cacheable at all.
find_program(DIPTYCH_CCACHE ccache)
mark_as_advanced(DIPTYCH_CCACHE)
if(DIPTYCH_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}
      ${DIPTYCH_CCACHE})
  add_compile_options(-fpch-preprocess)
endif()
