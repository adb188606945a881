# Layers.cmake - how the two layers are compiled, and how a library is made of them.

# paragram_layers(SUFFIX BACKEND): the object libraries paragram_sched<SUFFIX> and paragram_runtime<SUFFIX>, and the
# interface library paragram_internals<SUFFIX>: what code that looks inside (the tests) needs to be compiled alike.
#
# The include paths enforce the direction of the rooms. sched has none: a quoted include finds its own folder, and no file
# of it can include runtime/ or the public header. Internal folders are for quoted includes only (-iquote), since names in
# them are the system's as well: <pthread.h> has to find the system's sched.h.
function(paragram_layers suffix backend)
    add_library(paragram_sched${suffix} OBJECT ${PARAGRAM_SCHED_SOURCES})

    add_library(paragram_runtime${suffix} OBJECT ${PARAGRAM_RUNTIME_SOURCES})
    target_include_directories(paragram_runtime${suffix} PRIVATE ${PROJECT_SOURCE_DIR}/include)
    # -fexceptions: a process may end by an exception that passes through the call in which it ends; see unwind.h.
    target_compile_options(paragram_runtime${suffix} PRIVATE -iquote${PROJECT_SOURCE_DIR}
        $<$<COMPILE_LANGUAGE:C>:-fexceptions>)

    add_library(paragram_internals${suffix} INTERFACE)
    target_include_directories(paragram_internals${suffix} INTERFACE ${PROJECT_SOURCE_DIR}/include)
    target_compile_options(paragram_internals${suffix} INTERFACE
        -iquote${PROJECT_SOURCE_DIR} -iquote${PROJECT_SOURCE_DIR}/sched -iquote${PROJECT_SOURCE_DIR}/runtime)
    # _LGPL_SOURCE: liburcu's read side inline, which its licence allows to anyone. Not under sanitizers: its reader records
    # are misaligned in 0.13, which -fsanitize=undefined reports, and ThreadSanitizer would see half of its protocol.
    if(NOT PARAGRAM_SANITIZE)
        target_compile_definitions(paragram_internals${suffix} INTERFACE _LGPL_SOURCE)
    endif()
    target_compile_definitions(paragram_internals${suffix} INTERFACE
        $<$<BOOL:${PARAGRAM_MAY_JEMALLOC}>:PGI_JEMALLOC=1>
        $<$<BOOL:${PARAGRAM_HAS_SECCOMP}>:PGI_SECCOMP=1>
        $<$<BOOL:${PARAGRAM_HOSTILE}>:PGS_HOSTILE=1>
        $<$<BOOL:${PARAGRAM_COVERAGE}>:PGS_COVERAGE=1>
        $<$<STREQUAL:${backend},ucontext>:PGS_FIBER_UCONTEXT=1>)

    foreach(layer paragram_sched${suffix} paragram_runtime${suffix})
        # What the libraries call is looked up when the program is loaded, and not once more in each process of kind
        # PG_OS. Programs are compiled as they come, those that measure what an operation costs without a runtime too.
        target_compile_options(${layer} PRIVATE $<$<COMPILE_LANGUAGE:C>:-fno-plt>)
        if(PARAGRAM_COVERAGE)
            target_compile_options(${layer} PRIVATE $<$<COMPILE_LANGUAGE:C>:${PARAGRAM_COVERAGE_FLAGS}>)
        endif()
        target_link_libraries(${layer} PRIVATE paragram_flags ${PARAGRAM_PACKAGES} Threads::Threads)
        target_compile_definitions(${layer} PRIVATE
            $<TARGET_PROPERTY:paragram_internals${suffix},INTERFACE_COMPILE_DEFINITIONS>)
        set_target_properties(${layer} PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
    endforeach()
endfunction()

# paragram_library(NAME STATIC|SHARED SUFFIX): a library of the layers with that suffix, as a program links it.
function(paragram_library name kind suffix)
    add_library(${name} ${kind} $<TARGET_OBJECTS:paragram_sched${suffix}> $<TARGET_OBJECTS:paragram_runtime${suffix}>)
    target_include_directories(${name} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${name} PRIVATE ${PARAGRAM_PACKAGES} Threads::Threads)
    if(kind STREQUAL "STATIC")
        target_link_libraries(${name} INTERFACE ${PARAGRAM_JEMALLOC_LINK})
    endif()
    set_target_properties(${name} PROPERTIES OUTPUT_NAME paragram LINKER_LANGUAGE C
        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
    if(PARAGRAM_SANITIZE)
        target_link_options(${name} PUBLIC $<BUILD_INTERFACE:-fsanitize=${PARAGRAM_SANITIZE}>)
    elseif(kind STREQUAL "SHARED")
        target_link_options(${name} PRIVATE -Wl,-z,defs)
    endif()
    if(PARAGRAM_COVERAGE)
        target_link_options(${name} PUBLIC $<BUILD_INTERFACE:-fprofile-instr-generate>)
    endif()
endfunction()
