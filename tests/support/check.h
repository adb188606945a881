/* check.h - what a test needs: conditions that say where and what, and end the program at the first that fails. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether a sanitizer that slows everything down is built in. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Whether this is the build of sched/hostile.h, which takes ways at random that others take for a reason. */
#if defined(PGS_HOSTILE)
#define HOSTILE_BUILD 1
#else
#define HOSTILE_BUILD 0
#endif

/* Whether everything takes much longer than usual, for any of these reasons or since coverage counts it. */
#if SANITIZED || HOSTILE_BUILD || defined(PGS_COVERAGE)
#define SLOWED 1
#else
#define SLOWED 0
#endif

/* What a condition that does not hold ends in: a test may have another end, which does not come back. */
#define CHECK_END() exit(1)

#define CHECK_FAIL(...)                                               \
    do {                                                              \
        fflush(stdout);                                               \
        fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, __func__); \
        fprintf(stderr, __VA_ARGS__);                                 \
        fputc('\n', stderr);                                          \
        CHECK_END();                                                  \
    } while (0)

#define CHECK(condition)                                          \
    do {                                                          \
        if (!(condition)) CHECK_FAIL("not true: %s", #condition); \
    } while (0)

#define CHECK_EQ(a, b)                                                                                         \
    do {                                                                                                       \
        int64_t check_a_ = (int64_t)(a), check_b_ = (int64_t)(b);                                              \
        if (check_a_ != check_b_) CHECK_FAIL("%s is %" PRId64 ", %s is %" PRId64, #a, check_a_, #b, check_b_); \
    } while (0)

#define CHECK_STR(a, b)                                                                                           \
    do {                                                                                                          \
        const char *check_a_ = (a), *check_b_ = (b);                                                              \
        if (strcmp(check_a_, check_b_) != 0) CHECK_FAIL("%s is \"%s\", expected \"%s\"", #a, check_a_, check_b_); \
    } while (0)

#ifdef __cplusplus
extern "C" {
#endif

/* The seed of a randomised test: PG_TEST_SEED, else drawn from the clock; always printed, so that a failure replays. */
uint64_t check_seed(void);

/* splitmix64 (Steele, Lea, Flood 2014): the next number of the sequence at *state. */
uint64_t check_random(uint64_t *state);

/* CLOCK_MONOTONIC, in nanoseconds. */
int64_t check_now_ns(void);

/* Sleeps for some microseconds, less than a second. */
void check_pause_us(int us);

/* On how many workers a test runs what needs several: PG_TEST_WORKERS, else `usual`. */
unsigned check_workers(unsigned usual);

/* How long a stress test runs, in milliseconds: PG_TEST_MS, else `usual`. */
int64_t check_duration_ms(int64_t usual);

#ifdef __cplusplus
}
#endif

#endif
