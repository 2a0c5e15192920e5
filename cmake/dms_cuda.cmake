# libdms_cuda: the CUDA device, loaded by name for --device cuda alone. It is built where nvcc is
# found; everything else of the tree neither needs CUDA to build nor to run.
set(DMS_CUDA AUTO CACHE STRING "AUTO: build libdms_cuda where nvcc is found; ON: require it; OFF")
set(DMS_CUDA_ARCHITECTURES 80 CACHE STRING
    "compute capabilities to compile for; the first one's PTX is added, for every later card")
set(dms_cuda_found FALSE)
if(DMS_CUDA STREQUAL AUTO AND (DMS_SANITIZE OR DMS_COVERAGE OR DMS_FUZZ))
  return()   # there the device layer runs on the fake of tests/cuda
endif()
if(NOT DMS_CUDA)
  message(STATUS "libdms_cuda is not built: DMS_CUDA is ${DMS_CUDA}")
  return()
endif()

find_program(DMS_NVCC nvcc HINTS $ENV{CUDA_HOME}/bin ${CMAKE_SOURCE_DIR}/.cache/cuda/bin
             /usr/local/cuda/bin)
if(DMS_NVCC)
  get_filename_component(dms_cuda_root ${DMS_NVCC} REALPATH)
  get_filename_component(dms_cuda_root ${dms_cuda_root}/../.. ABSOLUTE)
  find_path(DMS_CUDA_INCLUDE cuda_runtime_api.h HINTS ${dms_cuda_root}/include NO_DEFAULT_PATH)
  find_path(DMS_CUDA_INCLUDE cuda_runtime_api.h)
  find_library(DMS_CUDART cudart_static HINTS ${dms_cuda_root}/lib64 ${dms_cuda_root}/lib)
  if(DMS_CUDA_INCLUDE AND DMS_CUDART)
    set(dms_cuda_found TRUE)
  endif()
endif()
if(NOT dms_cuda_found)
  set(text "libdms_cuda is not built: nvcc, cuda_runtime_api.h or libcudart_static.a is not found. "
           "cmake/cuda_toolchain.sh sets them up from pip packages (docs/cuda.md)")
  if(DMS_CUDA STREQUAL AUTO)
    message(STATUS ${text})
  else()
    message(FATAL_ERROR ${text})
  endif()
  return()
endif()

# dms_nvcc(OUT FILE...): object files of .cu files. Without exceptions, RTTI and guarded statics they
# link into a C library.
function(dms_nvcc out)
  set(flags -std=c++17 -O3 -fmad=false --expt-relaxed-constexpr -Wno-deprecated-gpu-targets
      -Xcompiler=-fPIC,-fno-threadsafe-statics,-fno-exceptions,-fno-rtti,-fvisibility=hidden)
  foreach(arch IN LISTS DMS_CUDA_ARCHITECTURES)
    list(APPEND flags -gencode=arch=compute_${arch},code=sm_${arch})
  endforeach()
  list(GET DMS_CUDA_ARCHITECTURES 0 first)
  list(APPEND flags -gencode=arch=compute_${first},code=compute_${first})
  set(objects)
  foreach(file IN LISTS ARGN)
    get_filename_component(name ${file} NAME_WE)
    set(object ${CMAKE_BINARY_DIR}/cuda/${name}.o)
    add_custom_command(OUTPUT ${object} DEPENDS ${file} DEPFILE ${object}.d VERBATIM
                       COMMENT "Building CUDA object ${name}.o"
                       COMMAND ${CMAKE_C_COMPILER_LAUNCHER} ${DMS_NVCC} ${flags} -I${CMAKE_SOURCE_DIR}
                               -MD -MF ${object}.d -c ${file} -o ${object})
    list(APPEND objects ${object})
  endforeach()
  set(${out} ${objects} PARENT_SCOPE)
endfunction()

file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/cuda)
file(GLOB dms_cuda_driver CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/cuda/driver/*.c)
file(GLOB dms_cuda_c CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/cuda/kernels/*.c)
file(GLOB dms_cuda_cu CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/cuda/kernels/*.cu)
dms_nvcc(dms_cuda_objects ${dms_cuda_cu})
list(JOIN DMS_CUDA_ARCHITECTURES ", " text)
if(EXISTS ${DMS_CUDA_INCLUDE}/cublasLt.h)
  set(dms_cuda_products "products by cuBLASLt where it is there at run time")
else()
  set(dms_cuda_products "no cublasLt.h: all products by our own kernels")
endif()
message(STATUS "libdms_cuda is built by ${DMS_NVCC} for compute capabilities ${text}, and PTX; "
               "${dms_cuda_products}")
add_library(dms_cuda_driver OBJECT ${dms_cuda_driver} ${dms_cuda_c})
target_include_directories(dms_cuda_driver PRIVATE ${CMAKE_SOURCE_DIR})
target_include_directories(dms_cuda_driver SYSTEM PRIVATE ${DMS_CUDA_INCLUDE})
set_target_properties(dms_cuda_driver PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_link_libraries(dms_cuda_driver PRIVATE dms_kernels)
if(EXISTS ${CMAKE_SOURCE_DIR}/runtime/cuda/kernels/libraries.c)   # all of cuda_kernel.h
  add_library(dms_cuda MODULE $<TARGET_OBJECTS:dms_cuda_driver> ${dms_cuda_objects})
  set_target_properties(dms_cuda PROPERTIES LINKER_LANGUAGE C NO_SONAME TRUE LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
                        LINK_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/cuda/libdms_cuda.map)
  target_link_options(dms_cuda PRIVATE -Wl,-z,defs -Wl,--gc-sections
                      -Wl,--version-script=${CMAKE_SOURCE_DIR}/runtime/cuda/libdms_cuda.map)
  target_link_libraries(dms_cuda PRIVATE dms_cuda_device dms_kernels dms_schema ${DMS_CUDART}
                        ${CMAKE_DL_LIBS} rt Threads::Threads)
  # The same kernels and libraries as the second device of kernel tests (tests/cuda).
  if(BUILD_TESTING)
    add_library(kernels_on_card SHARED ${CMAKE_SOURCE_DIR}/tests/cuda/card/device_run.c
                ${CMAKE_SOURCE_DIR}/tests/cuda/device_compare.c
                $<TARGET_OBJECTS:dms_cuda_driver> ${dms_cuda_objects})
    add_dependencies(kernels_on_card dms_cuda)
    set_target_properties(kernels_on_card PROPERTIES LINKER_LANGUAGE C
                          LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/cuda)
    target_include_directories(kernels_on_card PRIVATE ${CMAKE_SOURCE_DIR})
    target_include_directories(kernels_on_card SYSTEM PRIVATE ${DMS_CUDA_INCLUDE})
    target_link_options(kernels_on_card PRIVATE -Wl,-z,defs)
    target_link_libraries(kernels_on_card PRIVATE dms_cuda_device dms_kernels dms_schema cmocka_lib
                          ${DMS_CUDART} ${CMAKE_DL_LIBS} rt Threads::Threads)
  endif()
endif()
