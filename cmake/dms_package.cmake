# `cpack -G DEB` in the build folder: Debian packages of the programs, the library, and what is
# needed to build against it. Dependencies are those that dpkg-shlibdeps finds.
set(DMS_PACKAGER "dms maintainers <maintainers@dms.invalid>" CACHE STRING "who answers for the package")
set(CPACK_PACKAGE_NAME dms)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT ${DMS_PACKAGER})
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL programs libraries development)
if(TARGET dms_cuda)
  list(APPEND CPACK_COMPONENTS_ALL cuda)
endif()
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SOURCE dms)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)

set(library libdms${PROJECT_VERSION_MAJOR})
set(version ${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_NAME dms)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SUGGESTS python3)   # for check_certificate.py
set(CPACK_COMPONENT_PROGRAMS_DESCRIPTION "memory planner for neural networks\n\
dmsc plans where every byte of an ONNX model lives at every moment under a\n\
budget of memory, proves the plan safe and says how far from optimal it can\n\
be; dmsrun executes it, with the same output bits at every budget.")
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_NAME ${library})
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_LIBRARIES_DESCRIPTION "memory planner for neural networks (runtime library)\n\
libdms executes plans that dmsc made, from a program of your own: it proves\n\
a plan safe, takes the memory that the plan names, and runs turns with the\n\
same output bits at every budget and number of threads.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libdms-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${library} (= ${version})")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_RECOMMENDS "pkgconf | pkg-config")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS "libprotobuf-c-dev, liburing-dev, liblpsolve55-dev, \
libsuitesparse-dev, libgraphviz-dev, libjansson-dev")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "memory planner for neural networks (development files)\n\
Headers, archives, a CMake package and pkg-config files for libdms, which\n\
executes plans, and libdmsc, which makes them. Linking the archives needs\n\
the suggested packages.")
set(CPACK_DEBIAN_CUDA_PACKAGE_NAME dms-cuda)
set(CPACK_DEBIAN_CUDA_PACKAGE_SECTION science)
set(CPACK_DEBIAN_CUDA_PACKAGE_DEPENDS "dms (= ${version}) | ${library} (= ${version})")
set(CPACK_DEBIAN_CUDA_PACKAGE_ENHANCES "dms, ${library}")
set(CPACK_COMPONENT_CUDA_DESCRIPTION "memory planner for neural networks (CUDA device)\n\
What dmsrun and libdms load for plans for an NVIDIA card. It needs the\n\
driver of NVIDIA to run, and no other package of CUDA; cuBLASLt is used\n\
where it is there.")

# Who links libdms.so depends on the package from the version on that has the symbols it uses.
set(control ${CMAKE_BINARY_DIR}/debian-control)
file(READ runtime/libdms.map map)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS runtime/libdms.map)
string(REGEX MATCHALL "\n *(DMS_[0-9.]+|dms_[a-z0-9_]+)" names "${map}")
set(symbols)
foreach(name IN LISTS names)
  string(REGEX MATCH "[A-Za-z][A-Za-z0-9_.]+" name "${name}")
  if(name MATCHES "^DMS_(.*)")
    set(node ${name})
    set(since ${CMAKE_MATCH_1})
  endif()
  string(APPEND symbols " ${name}@${node} ${since}\n")
endforeach()
set(soname libdms.so.${PROJECT_VERSION_MAJOR})
file(CONFIGURE OUTPUT ${control}/symbols CONTENT
     "${soname} ${library} #MINVER#\n* Build-Depends-Package: libdms-dev\n${symbols}")
file(CONFIGURE OUTPUT ${control}/shlibs CONTENT
     "libdms ${PROJECT_VERSION_MAJOR} ${library} (>= ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})\n")
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_CONTROL_EXTRA ${control}/symbols ${control}/shlibs
    ${CMAKE_SOURCE_DIR}/cmake/package/debian/triggers)
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)

configure_file(cmake/package/debian/finish.cmake ${CMAKE_BINARY_DIR}/debian-finish.cmake @ONLY)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_BINARY_DIR}/debian-finish.cmake)
include(CPack)
