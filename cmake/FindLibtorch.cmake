# Finds libtorch without its own CMake package, which demands a CUDA toolkit. Looks in TRIPTYCH_LIBTORCH (a folder that
# holds torch/ as pip lays it out, or an unpacked libtorch), else where scripts/install-dependencies puts it.
#
# The target Libtorch::libtorch has its headers behind the system's (-idirafter): the wheel bundles old protobuf headers.
set(TRIPTYCH_LIBTORCH "" CACHE PATH "Folder that holds torch/lib and torch/include, or lib and include")
set(libtorch_version 2.11.0)
set(libtorch_cache "$ENV{XDG_CACHE_HOME}")
if(NOT libtorch_cache)
  set(libtorch_cache "$ENV{HOME}/.cache")
endif()
find_path(LIBTORCH_ROOT NAMES lib/libtorch_cpu.so
  HINTS ${TRIPTYCH_LIBTORCH} ${TRIPTYCH_LIBTORCH}/torch ${libtorch_cache}/triptych/libtorch-${libtorch_version}/torch
  NO_DEFAULT_PATH)
if(NOT LIBTORCH_ROOT)
  execute_process(COMMAND python3 -c "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
    OUTPUT_VARIABLE libtorch_python OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  find_path(LIBTORCH_ROOT NAMES lib/libtorch_cpu.so HINTS ${libtorch_python} NO_DEFAULT_PATH)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libtorch
  REQUIRED_VARS LIBTORCH_ROOT
  REASON_FAILURE_MESSAGE "run scripts/install-dependencies, or set TRIPTYCH_LIBTORCH")
if(Libtorch_FOUND AND NOT TARGET Libtorch::libtorch)
  # What the wheel's libraries load at run time lies beside it, in nvidia/*/lib.
  file(GLOB libtorch_runtime LIST_DIRECTORIES true ${LIBTORCH_ROOT}/../nvidia/*/lib)
  set(libtorch_rpath -Wl,--disable-new-dtags -Wl,-rpath,${LIBTORCH_ROOT}/lib)
  foreach(folder ${libtorch_runtime})
    list(APPEND libtorch_rpath -Wl,-rpath,${folder} -Wl,-rpath-link,${folder})
  endforeach()
  add_library(Libtorch::libtorch INTERFACE IMPORTED)
  foreach(folder ${LIBTORCH_ROOT}/include ${LIBTORCH_ROOT}/include/torch/csrc/api/include)
    target_compile_options(Libtorch::libtorch INTERFACE
      "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${folder}>" "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-isystem ${folder}>")
  endforeach()
  target_link_libraries(Libtorch::libtorch INTERFACE
    ${LIBTORCH_ROOT}/lib/libtorch_cpu.so ${LIBTORCH_ROOT}/lib/libc10.so)
  target_link_options(Libtorch::libtorch INTERFACE ${libtorch_rpath} -Wl,--allow-shlib-undefined)
  target_compile_definitions(Libtorch::libtorch INTERFACE USE_C10D_GLOO AT_PER_OPERATOR_HEADERS)
  # ATen finds its CUDA part by that having been loaded; nothing calls it. One item, lest the flags drift away from the libraries.
  add_library(Libtorch::cuda INTERFACE IMPORTED)
  target_link_libraries(Libtorch::cuda INTERFACE
    -Wl,--no-as-needed,${LIBTORCH_ROOT}/lib/libtorch_cuda.so,${LIBTORCH_ROOT}/lib/libc10_cuda.so,--as-needed
    Libtorch::libtorch)
endif()
