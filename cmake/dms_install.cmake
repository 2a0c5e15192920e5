# What `cmake --install` puts where: both programs, libdms (shared and static), libdmsc (static),
# their headers, a CMake package, pkg-config files, manual pages, completion, licences.
include(CMakePackageConfigHelpers)

# Debian's own folder for libraries under every prefix (as meson does), so that what was built once
# can be installed under /usr/local and be packaged for /usr.
if(EXISTS /etc/debian_version AND CMAKE_LIBRARY_ARCHITECTURE AND NOT DEFINED CMAKE_INSTALL_LIBDIR)
  set(CMAKE_INSTALL_LIBDIR lib/${CMAKE_LIBRARY_ARCHITECTURE} CACHE PATH "folder of libraries")
endif()
include(GNUInstallDirs)
set(dms_include ${CMAKE_INSTALL_INCLUDEDIR}/dms)
set(dms_cmake ${CMAKE_INSTALL_LIBDIR}/cmake/dms)
target_compile_definitions(dms_runtime PRIVATE DMS_LIBDIR="${CMAKE_INSTALL_LIBDIR}")

# Shared and static, but for a BUILD_SHARED_LIBS that asks for one kind. libdmsc stands on what the
# shared libdms hides, so it comes with the static one.
set(dms_shared TRUE)
set(dms_archives TRUE)
if(DEFINED BUILD_SHARED_LIBS)
  set(dms_shared ${BUILD_SHARED_LIBS})
  if(BUILD_SHARED_LIBS)
    set(dms_archives FALSE)
  endif()
endif()

# dms_objects(OUT TARGET...): the compiled files of static libraries; nothing is compiled twice.
function(dms_objects out)
  set(objects)
  foreach(target IN LISTS ARGN)
    list(APPEND objects $<TARGET_OBJECTS:${target}>)
  endforeach()
  set(${out} ${objects} PARENT_SCOPE)
endfunction()

# dms_headers(OUT HEADER): HEADER and whatever headers of ours it includes, in turn.
function(dms_headers out header)
  set(todo ${header})
  set(all)
  while(todo)
    list(POP_FRONT todo next)
    if(next IN_LIST all)
      continue()
    endif()
    list(APPEND all ${next})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${next})
    file(STRINGS ${CMAKE_SOURCE_DIR}/${next} lines REGEX "^#include \"")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^#include \"(.*)\".*" "\\1" name ${line})
      list(APPEND todo ${name})
    endforeach()
  endwhile()
  set(${out} ${all} PARENT_SCOPE)
endfunction()

# dms_export_library(TARGET NAME): installed, and exported as dms::NAME.
function(dms_export_library target name)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} LINKER_LANGUAGE C)
  target_include_directories(${target} INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>
                             $<INSTALL_INTERFACE:${dms_include}>)
  add_library(dms::${name} ALIAS ${target})
  install(TARGETS ${target} EXPORT dms-targets
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libraries
                  NAMELINK_COMPONENT development
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
endfunction()

dms_objects(dms_code dms_schema dms_kernels dms_kernels_base dms_kernels_avx2 dms_kernels_avx512
            dms_kernels_vnni dms_check dms_runtime)
list(TRANSFORM dms_code REPLACE "^(.*dms_runtime>)$" "$<FILTER:\\1,EXCLUDE,/dmsrun_>")   # its own
set(dms_private_libraries protobuf-c m)
if(URING_LIBRARY AND URING_INCLUDE)
  list(APPEND dms_private_libraries uring)
endif()
set(dmsc_private_libraries lpsolve55 colamd cgraph jansson dl m)

if(dms_shared)
  add_library(dms SHARED ${dms_code})
  set_target_properties(dms PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                        LINK_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/libdms.map)
  target_link_options(dms PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/runtime/libdms.map)
  if(NOT DMS_SANITIZE)
    target_link_options(dms PRIVATE -Wl,-z,defs)
  endif()
  target_link_libraries(dms PRIVATE ${dms_private_libraries} -pthread)
  dms_export_library(dms dms)
endif()
if(dms_archives)
  add_library(dms_static STATIC ${dms_code})
  set_target_properties(dms_static PROPERTIES OUTPUT_NAME dms)
  target_link_libraries(dms_static INTERFACE ${dms_private_libraries} Threads::Threads)
  dms_export_library(dms_static dms_static)

  dms_objects(dmsc_code dms_onnx dms_planner)
  add_library(dmsc_static STATIC ${dmsc_code})
  set_target_properties(dmsc_static PROPERTIES OUTPUT_NAME dmsc)
  target_link_libraries(dmsc_static INTERFACE dms_static ${dmsc_private_libraries})
  dms_export_library(dmsc_static dmsc)
endif()

# Headers keep their folders: `#include "runtime/dms.h"` is written the same way everywhere.
dms_headers(dms_public_headers runtime/dms.h)
set(installed_headers ${dms_public_headers})
if(dms_archives)
  dms_headers(dmsc_public_headers planner/dmsc.h)
  list(APPEND installed_headers ${dmsc_public_headers})
  list(REMOVE_DUPLICATES installed_headers)
endif()
foreach(header IN LISTS installed_headers)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${header} DESTINATION ${dms_include}/${folder} COMPONENT development)
endforeach()

# CMake: find_package(dms), then dms::dms, dms::dms_static, dms::dmsc.
install(EXPORT dms-targets NAMESPACE dms:: DESTINATION ${dms_cmake} COMPONENT development)
configure_package_config_file(cmake/package/dms-config.cmake.in ${CMAKE_BINARY_DIR}/dms-config.cmake
                              INSTALL_DESTINATION ${dms_cmake} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/dms-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/dms-config.cmake ${CMAKE_BINARY_DIR}/dms-config-version.cmake
        DESTINATION ${dms_cmake} COMPONENT development)

# pkg-config: paths are relative to the file, so an installed tree may be moved.
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR} OR IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
  message(FATAL_ERROR "CMAKE_INSTALL_LIBDIR and CMAKE_INSTALL_INCLUDEDIR: wanted are folders beneath the prefix")
endif()
file(RELATIVE_PATH dms_pc_prefix /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
string(REGEX REPLACE "/$" "" dms_pc_prefix ${dms_pc_prefix})
list(TRANSFORM dms_private_libraries PREPEND -l OUTPUT_VARIABLE flags)
string(JOIN " " dms_pc_private ${flags} -pthread)
list(TRANSFORM dmsc_private_libraries PREPEND -l OUTPUT_VARIABLE flags)
string(JOIN " " dmsc_pc_private ${flags})
set(pc_files dms)
if(dms_archives)
  list(APPEND pc_files dmsc)
endif()
set(dms_pc_libs "Libs: -L\${libdir} -ldms\nLibs.private: ${dms_pc_private}")
if(NOT dms_shared)
  set(dms_pc_libs "Libs: -L\${libdir} -ldms ${dms_pc_private}")
endif()
foreach(name IN LISTS pc_files)
  configure_file(cmake/package/${name}.pc.in ${name}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
          COMPONENT development)
endforeach()

# Loaded by name for plans for a card (runtime/load_cuda.c): by libdms from the folder beside it, by
# programs from there too.
if(TARGET dms_cuda)
  install(TARGETS dms_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/dms COMPONENT cuda)
endif()

install(TARGETS dmsc dmsrun RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT programs)

# What checks a certificate of dmsc's needs no more than Python's own library.
install(PROGRAMS tools/check_certificate.py DESTINATION ${CMAKE_INSTALL_DATADIR}/dms
        COMPONENT programs)

# Manual pages, one name per function of libdms, and completion of bash.
install(FILES docs/man/dmsc.1 docs/man/dmsrun.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
        COMPONENT programs)
install(FILES docs/man/dms.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3 COMPONENT development)
file(STRINGS docs/man/dms.3 names REGEX "^\\.Nm dms_")
foreach(line IN LISTS names)
  string(REGEX REPLACE "^\\.Nm (dms_[a-z_]+).*" "\\1" name ${line})
  file(CONFIGURE OUTPUT man/${name}.3 CONTENT ".so man3/dms.3\n")
  install(FILES ${CMAKE_BINARY_DIR}/man/${name}.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3
          COMPONENT development)
endforeach()
install(FILES docs/completion/dmsc docs/completion/dmsrun
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT programs)

# Documents; the example goes with the headers.
set(dms_documents README.md LICENSE docs/plan-format.md docs/json.md docs/security.md
    docs/certificate.md docs/third-party.md)
install(FILES ${dms_documents} DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT programs)
install(FILES docs/api.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)
install(FILES docs/example/README.md docs/example/embed.c
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT development)
