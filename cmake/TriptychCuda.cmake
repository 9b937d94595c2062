# The CUDA language, and the target triptych_cuda: what code needs that speaks to devices (the runtime, libtorch's CUDA libraries). No driver and no
# device is looked for, so that this builds anywhere. nvcc is, in this order: CMAKE_CUDA_COMPILER, CUDACXX, that of TRIPTYCH_CUDA_TOOLKIT, that of
# scripts/install-dependencies --cuda, the machine's own.
set(TRIPTYCH_CUDA_TOOLKIT "" CACHE PATH "Folder that holds bin/nvcc")
set(TRIPTYCH_CUDA_CACHE ${libtorch_cache}/triptych/cuda-13.0.88)
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(TRIPTYCH_NVCC nvcc
    HINTS ${TRIPTYCH_CUDA_TOOLKIT}/bin ${TRIPTYCH_CUDA_CACHE}/nvidia/cu13/bin PATHS /usr/local/cuda/bin)
  if(NOT TRIPTYCH_NVCC)
    message(FATAL_ERROR "no nvcc: run scripts/install-dependencies --cuda, or set TRIPTYCH_CUDA_TOOLKIT")
  endif()
  set(CMAKE_CUDA_COMPILER ${TRIPTYCH_NVCC})
endif()

set(CMAKE_CUDA_ARCHITECTURES "80;90" CACHE STRING "Compute capabilities to compile kernels for")
set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER} CACHE FILEPATH "What nvcc compiles host code with")
set(CMAKE_CUDA_RUNTIME_LIBRARY None)  # the shared one, below: one runtime in a process, libtorch's
# The wheels' libraries are in lib, where nvcc alone does not look when CMake tries it.
if(CMAKE_CUDA_COMPILER)
  cmake_path(GET CMAKE_CUDA_COMPILER PARENT_PATH cuda_bin)
  set(ENV{LIBRARY_PATH} ${cuda_bin}/../lib)
endif()
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know of it
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)

if(EXISTS ${LIBTORCH_ROOT}/version.py)
  file(STRINGS ${LIBTORCH_ROOT}/version.py libtorch_cuda REGEX "^cuda")
  string(REGEX MATCH "[0-9]+" libtorch_cuda "${libtorch_cuda}")
  if(NOT CMAKE_CUDA_COMPILER_VERSION MATCHES "^${libtorch_cuda}\\.")
    message(FATAL_ERROR "libtorch is made for CUDA ${libtorch_cuda}, ${CMAKE_CUDA_COMPILER} is of ${CMAKE_CUDA_COMPILER_VERSION}")
  endif()
endif()
string(REGEX MATCH "^[0-9]+" cuda_major ${CMAKE_CUDA_COMPILER_VERSION})
find_file(TRIPTYCH_CUDART NAMES libcudart.so.${cuda_major} libcudart.so
  HINTS ${LIBTORCH_ROOT}/../nvidia/cu${cuda_major}/lib ${LIBTORCH_ROOT}/lib ${CMAKE_CUDA_COMPILER_TOOLKIT_ROOT}
  PATH_SUFFIXES lib lib64 targets/x86_64-linux/lib)
if(NOT TRIPTYCH_CUDART)
  message(FATAL_ERROR "no libcudart.so.${cuda_major} beside libtorch or in ${CMAKE_CUDA_COMPILER_TOOLKIT_ROOT}")
endif()
find_package(Nccl REQUIRED)

cmake_path(GET TRIPTYCH_CUDART PARENT_PATH cudart_folder)
add_library(triptych_cuda INTERFACE)
target_include_directories(triptych_cuda SYSTEM INTERFACE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
target_link_libraries(triptych_cuda INTERFACE Libtorch::cuda ${TRIPTYCH_CUDART})
target_link_options(triptych_cuda INTERFACE -Wl,-rpath,${cudart_folder})
