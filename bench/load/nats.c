/* The wire of NATS JetStream: PUB with a reply subject that has the number, its PubAck, and explicit acknowledgement. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX 512

static void submit(struct conn *conn, struct pair *pair, uint64_t number) {
    const struct named *named = conn->state;
    say_text(conn, "PUB m.%s a.%s.%lu %u\r\n", (const char *)named->key.at, (const char *)named->key.at, number,
             load.payload_bytes);
    say_octets(conn, pair->payload, load.payload_bytes);
    say_octets(conn, "\r\n", 2);
}

/* MSG subject sid [reply] bytes */
static void take_message(struct conn *conn, char *line, const uint8_t *payload, size_t len) {
    char subject[LINE_MAX], reply[LINE_MAX] = "";
    if (sscanf(line, "MSG %s %*s %s %*s", subject, reply) < 1) {
        trouble("a MSG that cannot be read");
        return;
    }
    if (*subject != 'a') {
        say_text(conn, "PUB %s 0\r\n\r\n", reply);
        delivered(conn, payload, len);
    } else if (memmem(payload, len, "\"error\"", 7)) {
        trouble("%.60s", (const char *)payload);
        accepted(conn, 0);
    } else
        accepted(conn, strtoull(strrchr(subject, '.') + 1, NULL, 10));
}

static size_t take(struct conn *conn, uint8_t *at, size_t len) {
    size_t done = 0;
    while (done < len) {
        const uint8_t *end = memchr(at + done, '\n', len - done);
        char line[LINE_MAX];
        if (!end)
            break;
        size_t size = (size_t)(end - at) + 1 - done, body = 0;
        if (size >= sizeof line)
            die("a line that is too long");
        memcpy(line, at + done, size);
        line[size - 2] = 0;
        if (!strncmp(line, "MSG ", 4)) {
            body = strtoull(strrchr(line, ' '), NULL, 10) + 2;
            if (done + size + body > len)
                break;
            take_message(conn, line, at + done + size, body - 2);
        } else if (!strcmp(line, "PING"))
            say_text(conn, "PONG\r\n");
        else if (*line == '-')
            trouble("%.60s", line);
        done += size + body;
    }
    return done;
}

const struct wire nats_wire = {"nats", open_named, take, submit, say_hello, NULL, NULL, NULL, NULL};
