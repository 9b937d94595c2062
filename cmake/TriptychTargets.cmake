# The project's three kinds of target. Every folder with code has one CMakeLists.txt that calls them; each lists all its
# files and direct dependencies, so that the build itself keeps the layers apart.
#
#   triptych_library(NAME SOURCES ... HEADERS ... DEPS ...)     header-only when SOURCES is empty
#   triptych_test(NAME SOURCES ... DEPS ... [DATA_DIR] [LABELS ...])
#   triptych_binary(NAME SOURCES ... DEPS ...)                  lands in bin/
#   triptych_proto(NAME PROTOS ... [GRPC])

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
option(TRIPTYCH_WERROR "Treat warnings as errors" ON)

find_program(TRIPTYCH_CCACHE ccache)
if(TRIPTYCH_CCACHE)
  # Paths relative to the source tree, so that two checkouts or build folders share what they compiled.
  set(triptych_launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=time_macros ${TRIPTYCH_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${triptych_launcher})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${triptych_launcher})
endif()
# Only what is really called is loaded.
add_link_options(-Wl,--as-needed)
find_program(TRIPTYCH_MOLD mold)
if(TRIPTYCH_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_library(triptych_options INTERFACE)
target_compile_options(triptych_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wno-missing-field-initializers -fcoroutines>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${TRIPTYCH_WERROR}>>:-Werror>
  $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${TRIPTYCH_WERROR}>>:-Werror=all-warnings>)
target_compile_definitions(triptych_options INTERFACE _GLIBCXX_ASSERTIONS BOOST_ASIO_NO_DEPRECATED
  SPDLOG_FMT_EXTERNAL)
target_include_directories(triptych_options INTERFACE ${CMAKE_SOURCE_DIR})

function(triptych_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;DEPS" ${ARGN})
  if(arg_SOURCES)
    add_library(${name} STATIC ${arg_SOURCES} ${arg_HEADERS})
    target_link_libraries(${name} PUBLIC triptych_options ${arg_DEPS})
  else()
    add_library(${name} INTERFACE ${arg_HEADERS})
    target_link_libraries(${name} INTERFACE triptych_options ${arg_DEPS})
  endif()
endfunction()

function(triptych_binary name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE triptych_options ${arg_DEPS})
endfunction()

# One executable for each folder's tests; CTest sees it as one test of that name. TRIPTYCH_TEST_DATA is tests/ in the source tree.
function(triptych_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE triptych_options GTest::gmock GTest::gtest_main ${arg_DEPS})
  target_compile_definitions(${name} PRIVATE TRIPTYCH_TEST_DATA="${CMAKE_SOURCE_DIR}/tests")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()

# Generated code is compiled without our warnings, and included as "triptych/v1/x.pb.h".
function(triptych_proto name)
  cmake_parse_arguments(arg "GRPC" "" "PROTOS;DEPS" ${ARGN})
  set(out ${CMAKE_BINARY_DIR}/gen)
  set(generated)
  foreach(proto ${arg_PROTOS})
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(files ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
    set(grpc_flags)
    if(arg_GRPC)
      list(APPEND files ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h)
      set(grpc_flags --grpc_out=${out} --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
    endif()
    add_custom_command(OUTPUT ${files}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${out}
      COMMAND protobuf::protoc -I ${CMAKE_SOURCE_DIR}/proto --cpp_out=${out} ${grpc_flags} ${proto}
      DEPENDS ${CMAKE_SOURCE_DIR}/proto/${proto} VERBATIM)
    list(APPEND generated ${files})
  endforeach()
  add_library(${name} STATIC ${generated})
  target_include_directories(${name} SYSTEM PUBLIC ${out})
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf ${arg_DEPS})
  if(arg_GRPC)
    target_link_libraries(${name} PUBLIC gRPC::grpc++)
  endif()
endfunction()

find_program(TRIPTYCH_CLANG_FORMAT NAMES clang-format clang-format-14)
find_program(TRIPTYCH_CLANG_TIDY NAMES clang-tidy clang-tidy-14)
add_custom_target(format COMMAND ${CMAKE_SOURCE_DIR}/scripts/format ${TRIPTYCH_CLANG_FORMAT} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
add_custom_target(lint COMMAND ${CMAKE_SOURCE_DIR}/scripts/lint ${TRIPTYCH_CLANG_TIDY} ${CMAKE_BINARY_DIR} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
