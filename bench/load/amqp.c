/* The wire of AMQP 0-9-1 with publisher confirms: one queue a pair, one acknowledgement of all that a read has brought. */
#include "load.h"

#include <string.h>

#define FRAME_BYTES 8 /* type, channel, size; and the end octet */
#define END 0xce
#define BASIC 60

enum { PUBLISH = 40, DELIVER = 60, ACK = 80, NACK = 120 };
enum { METHOD = 1, HEADER = 2, BODY = 3, HEARTBEAT = 8 };

static uint8_t *big(uint8_t *at, uint64_t value, int len) {
    while (len--)
        *at++ = (uint8_t)(value >> (8 * len));
    return at;
}

static uint64_t read_big(const uint8_t *at, int len) {
    uint64_t value = 0;
    while (len--)
        value = value << 8 | *at++;
    return value;
}

static void say_frame(struct conn *conn, uint8_t type, const void *octets, size_t len) {
    uint8_t head[7] = {type, 0, 1};
    big(head + 3, len, 4);
    say_octets(conn, head, sizeof head);
    say_octets(conn, octets, len);
    say_octets(conn, (const uint8_t[]){END}, 1);
}

static void submit(struct conn *conn, struct pair *pair, uint64_t number) {
    const struct named *named = conn->state;
    uint8_t method[300], *at = big(big(big(method, BASIC, 2), PUBLISH, 2), 0, 3);
    (void)number;
    at = big(at, named->key.len, 1);
    memcpy(at, named->key.at, named->key.len);
    at = big(at + named->key.len, 0, 1);
    say_frame(conn, METHOD, method, (size_t)(at - method));
    /* Of its properties there is one: delivery mode 2, persistent. */
    at = big(big(big(big(big(method, BASIC, 2), 0, 2), load.payload_bytes, 8), 0x1000, 2), 2, 1);
    say_frame(conn, HEADER, method, (size_t)(at - method));
    say_frame(conn, BODY, pair->payload, load.payload_bytes);
}

static void take_method(struct conn *conn, const uint8_t *at, size_t len) {
    struct named *named = conn->state;
    const struct pair *pair = conn->pair;
    uint64_t method = read_big(at, 4);
    if (method == (BASIC << 16 | ACK) && len >= 13) {
        uint64_t number = pair->begun + read_big(at + 4, 8);
        if (at[12] & 1)
            while (pair->accepted + 1 < number)
                accepted(conn, pair->accepted + 1);
        accepted(conn, number);
    } else if (method == (BASIC << 16 | DELIVER) && len > 5 && (size_t)5 + at[4] + 8 <= len)
        named->last = read_big(at + 5 + at[4], 8);
    else if (method == (BASIC << 16 | NACK))
        trouble("basic.nack");
    else if (method != (BASIC << 16 | 21))
        trouble("method %lu.%lu", method >> 16, method & 0xffff);
}

static size_t take(struct conn *conn, uint8_t *at, size_t len) {
    size_t done = 0;
    while (done + FRAME_BYTES <= len) {
        size_t size = read_big(at + done + 3, 4);
        const uint8_t *inside = at + done + 7;
        if (done + FRAME_BYTES + size > len)
            break;
        if (inside[size] != END)
            die("a frame without its end");
        if (at[done] == METHOD && size >= 4)
            take_method(conn, inside, size);
        else if (at[done] == BODY)
            delivered(conn, inside, size);
        done += FRAME_BYTES + size;
    }
    return done;
}

static void acknowledge(struct conn *conn) {
    struct named *named = conn->state;
    uint8_t method[13];
    if (!named->last)
        return;
    big(big(big(big(method, BASIC, 2), ACK, 2), named->last, 8), 1, 1);
    say_frame(conn, METHOD, method, sizeof method);
    named->last = 0;
}

const struct wire amqp_wire = {"amqp", open_named, take, submit, say_hello, acknowledge, NULL, NULL, NULL};
