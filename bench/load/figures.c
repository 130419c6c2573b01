/* Clocks, histograms of times, and what went wrong, as parts of the one JSON line that is the result. */
#define _GNU_SOURCE
#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TROUBLES_MAX 64
#define TEXT_MAX 96

static struct {
    char said[TEXT_MAX];
    uint64_t count;
} troubles[TROUBLES_MAX];

struct reading {
    double wall, server, own, server_core, own_core;
};
static struct reading begun, ended;

double clock_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void die(const char *said, ...) {
    va_list arguments;
    va_start(arguments, said);
    fputs("generator: ", stderr);
    vfprintf(stderr, said, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

void trouble(const char *said, ...) {
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, said);
    vsnprintf(text, sizeof text, said, arguments);
    va_end(arguments);
    for (size_t i = 0; i < TROUBLES_MAX; i++) {
        if (!*troubles[i].said)
            strcpy(troubles[i].said, text);
        if (!strcmp(troubles[i].said, text)) {
            troubles[i].count++;
            return;
        }
    }
    troubles[TROUBLES_MAX - 1].count++;
}

void print_troubles(void) {
    printf("\"troubles\":{");
    for (size_t i = 0; i < TROUBLES_MAX && *troubles[i].said; i++)
        printf("%s\"%s\":%lu", i ? "," : "", troubles[i].said, troubles[i].count);
    printf("}");
}

/* Up to 63 us exactly, above that 32 slots an octave: within 3 per cent. */
static unsigned slot_of(uint64_t us) {
    if (us < 64)
        return (unsigned)us;
    unsigned shift = (unsigned)(63 - __builtin_clzll(us)) - 5;
    unsigned slot = 64 + (shift - 1) * 32 + (unsigned)(us >> shift) - 32;
    return slot < SLOTS ? slot : SLOTS - 1;
}

static double us_of(unsigned slot) {
    if (slot < 64)
        return slot + 0.5;
    unsigned shift = (slot - 64) / 32 + 1;
    return ((slot - 64) % 32 + 32.5) * (double)(1ull << shift);
}

void count_time(struct histogram *histogram, double seconds) {
    uint64_t us = seconds > 0 ? (uint64_t)(seconds * 1e6) : 0;
    histogram->slot[slot_of(us)]++;
    histogram->count++;
    if (us > histogram->max)
        histogram->max = us;
}

static double quantile(const struct histogram *histogram, double part) {
    uint64_t before = 0, wanted = (uint64_t)(part * (double)histogram->count);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        before += histogram->slot[slot];
        if (before > wanted)
            return us_of(slot);
    }
    return (double)histogram->max;
}

void print_times(const char *name, const struct histogram *histogram) {
    static const struct {
        const char *name;
        double part;
    } wanted[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    if (!histogram->count)
        return;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        printf(",\"%s_ms_%s\":%.3f", name, wanted[i].name, quantile(histogram, wanted[i].part) / 1e3);
    printf(",\"%s_ms_max\":%.3f", name, (double)histogram->max / 1e3);
}

static double process_s(int pid) {
    clockid_t id;
    struct timespec used;
    if (!pid || clock_getcpuclockid(pid, &id) || clock_gettime(id, &used))
        return 0;
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static double core_s(int core) {
    char name[16], line[512];
    double busy = 0;
    FILE *stat = fopen("/proc/stat", "r");
    snprintf(name, sizeof name, "cpu%d ", core);
    while (stat && fgets(line, sizeof line, stat)) {
        unsigned long user, nice, system, idle, wait, irq, soft, steal;
        if (strncmp(line, name, strlen(name)))
            continue;
        if (sscanf(line + strlen(name), "%lu %lu %lu %lu %lu %lu %lu %lu", &user, &nice, &system, &idle, &wait, &irq,
                   &soft, &steal) == 8)
            busy = (double)(user + nice + system + irq + soft + steal) / (double)sysconf(_SC_CLK_TCK);
    }
    if (stat)
        fclose(stat);
    return busy;
}

static struct reading read_clocks(void) {
    return (struct reading){clock_s(), process_s(load.pid), process_s(getpid()), core_s(load.server_core),
                            core_s(load.own_core)};
}

void meter_begin(void) {
    begun = read_clocks();
}

void meter_end(void) {
    ended = read_clocks();
}

void print_meter(void) {
    printf("\"seconds\":%.6f,\"server_s\":%.6f,\"own_s\":%.6f,\"server_core_s\":%.2f,\"own_core_s\":%.2f,",
           ended.wall - begun.wall, ended.server - begun.server, ended.own - begun.own,
           ended.server_core - begun.server_core, ended.own_core - begun.own_core);
}
