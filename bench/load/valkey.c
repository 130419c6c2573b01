/* The wire of Valkey: XADD to a stream a pair; who receives reads as a consumer group, acknowledges and deletes.
 *
 * One XREADGROUP waits on the server at any time; its answer is followed by XACK, XDEL and the next, in one write.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 128
#define READ "$10\r\nXREADGROUP\r\n$5\r\nGROUP\r\n$1\r\ng\r\n$1\r\nc\r\n$5\r\nCOUNT\r\n$3\r\n128\r\n$5\r\nBLOCK\r\n$1\r\n0\r\n"

struct bulk {
    const uint8_t *at;
    size_t len;
};
static struct bulk bulks[1 + 3 * BATCH];
static size_t bulk_count;

/* One reply: its strings are gathered in their order; NULL until it is here whole. */
static const uint8_t *reply(const uint8_t *at, const uint8_t *end) {
    const uint8_t *line = memchr(at, '\n', (size_t)(end - at));
    if (!line)
        return NULL;
    long count = strtol((const char *)at + 1, NULL, 10);
    line++;
    if (*at == '$' && count >= 0) {
        if (end - line < count + 2)
            return NULL;
        if (bulk_count < sizeof bulks / sizeof *bulks)
            bulks[bulk_count++] = (struct bulk){line, (size_t)count};
        return line + count + 2;
    }
    if (*at == '*')
        while (count-- > 0 && line)
            line = line < end ? reply(line, end) : NULL;
    return line;
}

static void say_bulk(struct conn *conn, const void *octets, size_t len) {
    say_text(conn, "$%zu\r\n", len);
    say_octets(conn, octets, len);
    say_octets(conn, "\r\n", 2);
}

static void submit(struct conn *conn, struct pair *pair, uint64_t number) {
    const struct named *named = conn->state;
    (void)number;
    say_octets(conn, "*5\r\n$4\r\nXADD\r\n", 14);
    say_bulk(conn, named->key.at, named->key.len);
    say_octets(conn, "$1\r\n*\r\n$1\r\np\r\n", 14);
    say_bulk(conn, pair->payload, load.payload_bytes);
}

static void read_on(struct conn *conn) {
    const struct named *named = conn->state;
    say_text(conn, "*11\r\n" READ);
    say_octets(conn, "$7\r\nSTREAMS\r\n", 13);
    say_bulk(conn, named->key.at, named->key.len);
    say_octets(conn, "$1\r\n>\r\n", 7);
}

static void take_entries(struct conn *conn) {
    const struct named *named = conn->state;
    size_t entries = (bulk_count - 1) / 3;
    for (size_t i = 0; i < entries; i++)
        delivered(conn, bulks[3 + 3 * i].at, bulks[3 + 3 * i].len);
    say_text(conn, "*%zu\r\n$4\r\nXACK\r\n", entries + 3);
    say_bulk(conn, named->key.at, named->key.len);
    say_octets(conn, "$1\r\ng\r\n", 7);
    for (size_t i = 0; i < entries; i++)
        say_bulk(conn, bulks[1 + 3 * i].at, bulks[1 + 3 * i].len);
    say_text(conn, "*%zu\r\n$4\r\nXDEL\r\n", entries + 2);
    say_bulk(conn, named->key.at, named->key.len);
    for (size_t i = 0; i < entries; i++)
        say_bulk(conn, bulks[1 + 3 * i].at, bulks[1 + 3 * i].len);
    read_on(conn);
}

static size_t take(struct conn *conn, uint8_t *at, size_t len) {
    const uint8_t *now = at, *next;
    while (now < at + len && (bulk_count = 0, next = reply(now, at + len))) {
        if (*now == '-')
            trouble("%.40s", (const char *)now);
        else if (conn->pair->sender == conn)
            accepted(conn, bulk_count == 1 ? conn->pair->accepted + 1 : 0);
        else if (*now == '*' && bulk_count)
            take_entries(conn);
        now = next;
    }
    return (size_t)(now - at);
}

static void begin(struct conn *conn) {
    if (conn->pair->receiver == conn)
        read_on(conn);
}

const struct wire valkey_wire = {"valkey", open_named, take, submit, begin, NULL, NULL, NULL, NULL};
