# Flags, sanitizers and the three functions the top file is written in.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)   # GNU: pread, O_DIRECT, builtins
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")   # asserts stay on
set(DMS_SANITIZE "" CACHE STRING "address,undefined or thread")
if(DMS_SANITIZE)   # reports name lines and nothing else
  set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g1")
endif()
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
                    -Wvla -Wno-gnu-zero-variadic-macro-arguments -ffp-contract=off
                    -fno-strict-aliasing)
# Neither messages nor debug information say where the tree lay when it was built.
add_compile_options(-fdebug-prefix-map=${CMAKE_SOURCE_DIR}=. -fmacro-prefix-map=${CMAKE_SOURCE_DIR}=.)
add_link_options(-Wl,-z,relro,-z,now)   # no table of functions that could be written later
add_compile_definitions(_GNU_SOURCE DMS_VERSION="${PROJECT_VERSION}")
if(DMS_SANITIZE)
  add_compile_options(-fsanitize=${DMS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${DMS_SANITIZE})
  add_compile_definitions(DMS_CALIBRATE_ROUNDS=1u)
endif()

# libFuzzer counts the edges of everything that the targets call; it comes with clang alone.
option(DMS_FUZZ "drive tests/fuzz by libFuzzer (clang)" OFF)
if(DMS_FUZZ)
  include(CheckCSourceCompiles)
  set(CMAKE_REQUIRED_FLAGS -fsanitize=fuzzer)
  check_c_source_compiles("
    #include <stddef.h>
    int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) { return !data && size; }"
    DMS_HAS_LIBFUZZER)
  unset(CMAKE_REQUIRED_FLAGS)
  if(NOT DMS_HAS_LIBFUZZER)
    message(FATAL_ERROR "DMS_FUZZ needs clang and its libFuzzer; on Debian: "
                        "apt-get install clang libclang-rt-14-dev")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# What reads and proves what strangers send, counted line by line: tests/README.md, Coverage.
option(DMS_COVERAGE "count the lines of onnx, schema and runtime/check (gcc)" OFF)
if(DMS_COVERAGE)
  add_link_options(--coverage)
endif()

# dms_counted(NAME): a library whose lines are counted where DMS_COVERAGE says so.
function(dms_counted name)
  if(DMS_COVERAGE)
    target_compile_options(${name} PRIVATE --coverage -O0 -fprofile-update=atomic)
  endif()
endfunction()

# dms_library(NAME FOLDER... [EXCLUDE FILE...]): a static library of every .c file of these folders.
function(dms_library name)
  cmake_parse_arguments(ARG "" "" "EXCLUDE" ${ARGN})
  set(sources)
  foreach(folder IN LISTS ARG_UNPARSED_ARGUMENTS)
    file(GLOB found CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/${folder}/*.c)
    list(APPEND sources ${found})
  endforeach()
  list(FILTER sources EXCLUDE REGEX "_cpu\\.c$")   # see dms_isa_sources
  if(ARG_EXCLUDE)
    list(REMOVE_ITEM sources ${ARG_EXCLUDE})
  endif()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()

# dms_program(NAME MAIN LIBRARY): a program, put at the top of the build folder.
function(dms_program name main library)
  add_executable(${name} ${main})
  target_link_libraries(${name} PRIVATE ${library})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endfunction()

# dms_protobuf(NAME PROTO FOLDER): generated C sources in the build tree, as ${NAME}_SOURCES.
function(dms_protobuf name proto folder)
  get_filename_component(from ${proto} DIRECTORY)
  get_filename_component(base ${proto} NAME_WE)
  file(MAKE_DIRECTORY ${folder})
  set(out ${folder}/${base}.pb-c.c ${folder}/${base}.pb-c.h)
  add_custom_command(OUTPUT ${out} DEPENDS ${proto} VERBATIM
                     COMMAND ${PROTOC_C} --proto_path=${from} --c_out=${folder} ${proto})
  set_source_files_properties(${folder}/${base}.pb-c.c PROPERTIES COMPILE_OPTIONS "-w")
  set(${name}_SOURCES ${out} PARENT_SCOPE)
endfunction()

# dms_isa_sources(NAME): adds every *_cpu.c of runtime/kernels to library NAME once per instruction
# set, with DMS_ISA_SUFFIX in its symbols. The same source, the same bits: only speed differs.
function(dms_isa_sources name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/kernels/*_cpu.c)
  if(NOT sources)
    return()
  endif()
  set(flags_base "")
  set(flags_avx2 -mavx2 -mfma -mf16c -mbmi2)
  set(flags_avx512 ${flags_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
  set(flags_vnni ${flags_avx512} -mavx512vnni)
  set(level -O3)
  if(DMS_SANITIZE)   # same bits, of small tensors; -O3 compiles twice as long
    set(level)
  endif()
  foreach(isa base avx2 avx512 vnni)
    if(isa STREQUAL vnni)   # kernels of bytes alone: see families.h
      list(FILTER sources INCLUDE REGEX "_bytes[a-z_]*_cpu\\.c$")
    endif()
    add_library(${name}_${isa} OBJECT ${sources})
    target_compile_options(${name}_${isa} PRIVATE ${level} -fno-math-errno -fno-trapping-math ${flags_${isa}})
    if(DMS_FUZZ)   # what kernels compare are numbers of a tensor: no mutator learns from them
      target_compile_options(${name}_${isa} PRIVATE -fno-sanitize-coverage=trace-cmp)
    endif()
    target_compile_definitions(${name}_${isa} PRIVATE DMS_ISA_SUFFIX=_${isa})
    target_include_directories(${name}_${isa} PRIVATE ${CMAKE_SOURCE_DIR})
    set_target_properties(${name}_${isa} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_sources(${name} PRIVATE $<TARGET_OBJECTS:${name}_${isa}>)
  endforeach()
endfunction()

# dms_profiles(HEADER): the JSON files of planner/profiles as text in a generated header.
function(dms_profiles header)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/planner/profiles/*.json)
  set(text "/* Generated from planner/profiles. */\n")
  string(APPEND text "typedef struct dms_builtin_profile {\n    const char *name, *text;\n} dms_builtin_profile;\n")
  string(APPEND text "static const dms_builtin_profile DMS_BUILTIN_PROFILES[] = {\n")
  set(count 0)
  foreach(file IN LISTS files)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} json)
    string(REPLACE "\\" "\\\\" json "${json}")
    string(REPLACE "\"" "\\\"" json "${json}")
    string(REPLACE "\n" "\\n\"\n     \"" json "${json}")
    string(APPEND text "    {\"${name}\",\n     \"${json}\"},\n")
    math(EXPR count "${count} + 1")
  endforeach()
  string(APPEND text "};\n#define DMS_N_BUILTIN_PROFILES ${count}u\n")
  file(CONFIGURE OUTPUT ${header} CONTENT "${text}" @ONLY)
endfunction()

# dms_text(HEADER FILE...): each file as a list of lines that ends with NULL, DMS_<NAME>_<EXTENSION>.
function(dms_text header)
  set(text "/* Generated from: ${ARGN}. */\n")
  foreach(file IN LISTS ARGN)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${file})
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${name} name)
    string(TOUPPER ${name} name)
    file(READ ${CMAKE_SOURCE_DIR}/${file} content)
    string(REPLACE "\\" "\\\\" content "${content}")
    string(REPLACE "\"" "\\\"" content "${content}")
    string(REPLACE "\n" "\\n\",\n    \"" content "${content}")
    string(APPEND text "static const char *const DMS_${name}[] = {\n    \"${content}\", NULL};\n")
  endforeach()
  file(CONFIGURE OUTPUT ${header} CONTENT "${text}" @ONLY)
endfunction()
