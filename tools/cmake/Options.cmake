# Options.cmake - what can be chosen, what is needed from the system, and the flags that every target shares.

# What a user of the library may choose.
set(PARAGRAM_FIBER auto CACHE STRING
    "How fibers switch: asm (x86-64, aarch64), ucontext (any processor), or auto: asm where there is one.")
set(PARAGRAM_ALLOCATOR auto CACHE STRING
    "What programs get with the static library: jemalloc, malloc, or auto: jemalloc when found (sanitizers: malloc).")
set(PARAGRAM_SECCOMP auto CACHE STRING
    "The sandbox that filters system calls, by libseccomp: ON, OFF, or auto: ON when found.")
option(PARAGRAM_INSTALL "Make `cmake --install` install the headers, both libraries and the package files."
    ${PROJECT_IS_TOP_LEVEL})

# What only people who work on paragram need: on when this is the top project.
option(PARAGRAM_TESTS "Build the tests, to be run by ctest." ${PROJECT_IS_TOP_LEVEL})
option(PARAGRAM_TESTS_UCONTEXT "Repeat the tests that switch stacks most on the ucontext fibers." ON)
option(PARAGRAM_EXAMPLES "Build the example programs." ${PROJECT_IS_TOP_LEVEL})
option(PARAGRAM_WERROR "Treat warnings as errors." ${PROJECT_IS_TOP_LEVEL})
option(PARAGRAM_BENCHMARKS "Build the benchmarks (needs Google Benchmark)." OFF)
set(PARAGRAM_SANITIZE "" CACHE STRING
    "Sanitizers to build with, as -fsanitize takes them: address,undefined or thread (use clang for thread).")
option(PARAGRAM_FUZZ "Build the fuzz targets (needs clang)." OFF)
option(PARAGRAM_HOSTILE "Make the rare paths common: tiny sizes, delays, forced steals; see sched/hostile.h." OFF)
option(PARAGRAM_COVERAGE "Count which lines and branches of the libraries run (needs clang)." OFF)
set_property(CACHE PARAGRAM_FIBER PROPERTY STRINGS auto asm ucontext)
set_property(CACHE PARAGRAM_SECCOMP PROPERTY STRINGS auto ON OFF)
set_property(CACHE PARAGRAM_ALLOCATOR PROPERTY STRINGS auto jemalloc malloc)

# Languages: C17 with the GNU extensions; the tests compile the public header as C++17 too.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
if(PROJECT_IS_TOP_LEVEL)
    set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

# Packages of the system: liburcu for the tables that senders read without a lock.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(URCU REQUIRED IMPORTED_TARGET liburcu-bp liburcu-cds)
set(PARAGRAM_PC_REQUIRES "liburcu-bp liburcu-cds")
set(PARAGRAM_PACKAGES PkgConfig::URCU)

# libseccomp for the sandbox of processes of kind PG_OS.  Without it a spawn that asks for that is refused.
set(PARAGRAM_HAS_SECCOMP OFF)
if(PARAGRAM_SECCOMP STREQUAL "auto")
    pkg_check_modules(SECCOMP IMPORTED_TARGET libseccomp>=2.5)
elseif(PARAGRAM_SECCOMP)
    pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp>=2.5)
endif()
if(PARAGRAM_SECCOMP AND SECCOMP_FOUND)
    set(PARAGRAM_HAS_SECCOMP ON)
    string(APPEND PARAGRAM_PC_REQUIRES " libseccomp")
    list(APPEND PARAGRAM_PACKAGES PkgConfig::SECCOMP)
endif()

# The allocator. The libraries refer to jemalloc weakly, unless malloc was chosen: they use it in programs that have it.
# A program that links the static library gets it by PARAGRAM_JEMALLOC_LINK, one word, so that nobody takes its parts
# apart: neither a shared jemalloc, by --no-as-needed, nor an archive, by -u, is left out for being referred to weakly.
set(PARAGRAM_MAY_JEMALLOC OFF)
set(PARAGRAM_JEMALLOC_LINK "")
if(NOT PARAGRAM_ALLOCATOR MATCHES "^(auto|jemalloc|malloc)$")
    message(FATAL_ERROR "PARAGRAM_ALLOCATOR is '${PARAGRAM_ALLOCATOR}': auto, jemalloc or malloc was expected")
endif()
if(NOT PARAGRAM_ALLOCATOR STREQUAL "malloc" AND NOT PARAGRAM_SANITIZE)
    set(PARAGRAM_MAY_JEMALLOC ON)
    if(PARAGRAM_ALLOCATOR STREQUAL "jemalloc")
        pkg_check_modules(JEMALLOC REQUIRED jemalloc)
    else()
        pkg_check_modules(JEMALLOC jemalloc)
    endif()
    if(JEMALLOC_FOUND)
        set(PARAGRAM_JEMALLOC_LINK -Wl,--push-state,--no-as-needed,-u,mallocx)
        list(REMOVE_ITEM JEMALLOC_LIBRARY_DIRS ${CMAKE_C_IMPLICIT_LINK_DIRECTORIES})
        foreach(dir IN LISTS JEMALLOC_LIBRARY_DIRS)
            string(APPEND PARAGRAM_JEMALLOC_LINK ",-L${dir}")
        endforeach()
        foreach(library IN LISTS JEMALLOC_LIBRARIES)
            string(APPEND PARAGRAM_JEMALLOC_LINK ",-l${library}")
        endforeach()
        string(APPEND PARAGRAM_JEMALLOC_LINK ",--pop-state")
    endif()
endif()

# The fiber back end: the hand-written switch of this processor, or ucontext where there is none.
if(NOT PARAGRAM_FIBER MATCHES "^(auto|asm|ucontext)$")
    message(FATAL_ERROR "PARAGRAM_FIBER is '${PARAGRAM_FIBER}': auto, asm or ucontext was expected")
endif()
set(PARAGRAM_FIBER_BACKEND ucontext)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|aarch64|arm64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8
        AND NOT PARAGRAM_FIBER STREQUAL "ucontext")
    set(PARAGRAM_FIBER_BACKEND asm)
elseif(PARAGRAM_FIBER STREQUAL "asm")
    message(FATAL_ERROR "there is no hand-written switch for ${CMAKE_SYSTEM_PROCESSOR}: use PARAGRAM_FIBER=ucontext")
endif()

# Flags of everything that is compiled here. -fno-semantic-interposition: calls inside the library are never replaced
# from outside, so the compiler may inline them though the code is position independent.
add_library(paragram_flags INTERFACE)
target_compile_options(paragram_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C,CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wvla;-Wwrite-strings;-Wundef>
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes;-Wold-style-definition>
    $<$<AND:$<BOOL:${PARAGRAM_WERROR}>,$<COMPILE_LANGUAGE:C,CXX>>:-Werror>
    $<$<COMPILE_LANGUAGE:C,CXX>:-fno-semantic-interposition>)
if(PARAGRAM_SANITIZE)
    target_compile_options(paragram_flags INTERFACE $<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${PARAGRAM_SANITIZE}
        -fno-sanitize-recover=all -fno-omit-frame-pointer>)
    target_link_options(paragram_flags INTERFACE -fsanitize=${PARAGRAM_SANITIZE})
endif()
# What a fuzzer steers by: counters in everything; its main() is in the fuzz targets only.
if(PARAGRAM_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "PARAGRAM_FUZZ needs clang, not ${CMAKE_C_COMPILER_ID}")
    endif()
    target_compile_options(paragram_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-fsanitize=fuzzer-no-link>)
endif()

# What coverage counts by: counters in the layers only, in a file for each program that is started (%p), mapped and shared
# (%c). So a process that is forked, has no descriptor left, is in a sandbox or is killed by a signal counts like any
# other. Rejected: gcov, which writes its counters at an orderly exit, for which none of these has a file to write to; one
# file for all runs of a program (%m), of which those that run at once spoil each other's.
if(PARAGRAM_COVERAGE)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "PARAGRAM_COVERAGE needs clang, not ${CMAKE_C_COMPILER_ID}")
    endif()
    set(PARAGRAM_COVERAGE_FLAGS -fprofile-instr-generate=${PROJECT_BINARY_DIR}/profile/%p%c.profraw -fcoverage-mapping
        -fprofile-update=atomic "SHELL:-mllvm -runtime-counter-relocation=1")
endif()
