/* export.h - what leaves the library, and what the compiler may know of it. */
#ifndef PARAGRAM_EXPORT_H
#define PARAGRAM_EXPORT_H

#if defined(__GNUC__)
#define PG_API __attribute__((visibility("default")))
#define PG_NORETURN __attribute__((noreturn))
#define PG_ALWAYS_INLINE __attribute__((always_inline))
#define PG_FORMAT(string, first) __attribute__((format(printf, string, first)))
#else
#error "paragram needs gcc or clang"
#endif

#endif
