# Finds NCCL and makes the target Nccl::nccl. Looks in TRIPTYCH_NCCL (a folder that holds include/nccl.h and lib/libnccl.so.2), beside libtorch (the
# wheel that libtorch itself loads), where scripts/install-dependencies --cuda puts it, then in the system.
set(TRIPTYCH_NCCL "" CACHE PATH "Folder that holds include/nccl.h and lib/libnccl.so.2")
set(nccl_hints ${TRIPTYCH_NCCL} ${LIBTORCH_ROOT}/../nvidia/nccl ${TRIPTYCH_CUDA_CACHE}/nvidia/nccl)
find_path(NCCL_INCLUDE_DIR NAMES nccl.h HINTS ${nccl_hints} PATH_SUFFIXES include)
find_file(NCCL_LIBRARY NAMES libnccl.so.2 libnccl.so HINTS ${nccl_hints} PATH_SUFFIXES lib
  PATHS /usr/lib/x86_64-linux-gnu /usr/lib64 /usr/local/lib)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Nccl
  REQUIRED_VARS NCCL_LIBRARY NCCL_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "run scripts/install-dependencies --cuda, or set TRIPTYCH_NCCL")
if(Nccl_FOUND AND NOT TARGET Nccl::nccl)
  cmake_path(GET NCCL_LIBRARY PARENT_PATH nccl_folder)
  add_library(Nccl::nccl INTERFACE IMPORTED)
  target_include_directories(Nccl::nccl SYSTEM INTERFACE ${NCCL_INCLUDE_DIR})
  target_link_libraries(Nccl::nccl INTERFACE ${NCCL_LIBRARY})
  target_link_options(Nccl::nccl INTERFACE -Wl,-rpath,${nccl_folder})
endif()
