/* The shortest form of everything, as the relay's own encoder writes it. */
#include "msgpack.h"

static uint64_t read_big(struct reader *reader, size_t len) {
    uint64_t value = 0;
    if ((size_t)(reader->end - reader->at) < len) {
        reader->bad = true;
        return 0;
    }
    while (len--)
        value = value << 8 | *reader->at++;
    return value;
}

uint64_t read_uint(struct reader *reader) {
    uint64_t tag = read_big(reader, 1);
    if (tag < 0x80)
        return tag;
    if (tag >= 0xcc && tag <= 0xcf)
        return read_big(reader, (size_t)1 << (tag - 0xcc));
    reader->bad = true;
    return 0;
}

uint64_t read_array(struct reader *reader) {
    uint64_t tag = read_big(reader, 1);
    if ((tag & 0xf0) == 0x90)
        return tag & 15;
    if (tag == 0xdc)
        return read_big(reader, 2);
    reader->bad = true;
    return 0;
}

const uint8_t *read_bin(struct reader *reader, size_t *len) {
    uint64_t tag = read_big(reader, 1);
    *len = tag == 0xc4 || tag == 0xc5 ? (size_t)read_big(reader, (size_t)1 << (tag - 0xc4)) : 0;
    if ((tag != 0xc4 && tag != 0xc5) || (size_t)(reader->end - reader->at) < *len) {
        reader->bad = true;
        *len = 0;
    }
    reader->at += *len;
    return reader->at - *len;
}

uint8_t *write_uint(uint8_t *at, uint64_t value) {
    int len = value < 0x80 ? 0 : value < 0x100 ? 1 : value < 0x10000 ? 2 : value < 0x100000000 ? 4 : 8;
    if (!len) {
        *at = (uint8_t)value;
        return at + 1;
    }
    *at++ = (uint8_t)(0xcc + __builtin_ctz((unsigned)len));
    while (len--)
        *at++ = (uint8_t)(value >> (8 * len));
    return at;
}
