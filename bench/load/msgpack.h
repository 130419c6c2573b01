/* As much of msgpack as the relay says to its devices: unsigned integers, arrays and byte strings. */
#ifndef MSGPACK_H
#define MSGPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is missing or of another type makes the reader bad and reads as nothing; look once, in the end. */
struct reader {
    const uint8_t *at, *end;
    bool bad;
};

uint64_t read_uint(struct reader *reader);
uint64_t read_array(struct reader *reader);
const uint8_t *read_bin(struct reader *reader, size_t *len);
uint8_t *write_uint(uint8_t *at, uint64_t value);

#endif
