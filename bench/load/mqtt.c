/* The wire of MQTT 3.1.1 at QoS 1: PUBLISH and PUBACK, both ways. */
#include "load.h"

#define IDS 65535u

static void write_publish(struct conn *conn, const struct bytes *topic, unsigned id, const uint8_t *payload) {
    size_t rest = 2 + topic->len + 2 + load.payload_bytes;
    uint8_t head[8] = {0x32}, *at = head + 1;
    for (size_t left = rest; left || at == head + 1; left >>= 7)
        *at++ = (uint8_t)((left & 127) | (left > 127 ? 128 : 0));
    *at++ = (uint8_t)(topic->len >> 8), *at++ = (uint8_t)topic->len;
    say_octets(conn, head, (size_t)(at - head));
    say_octets(conn, topic->at, topic->len);
    say_octets(conn, (const uint8_t[]){(uint8_t)(id >> 8), (uint8_t)id}, 2);
    say_octets(conn, payload, load.payload_bytes);
}

static void submit(struct conn *conn, struct pair *pair, uint64_t number) {
    const struct named *named = conn->state;
    write_publish(conn, &named->key, (unsigned)((number - 1) % IDS) + 1, pair->payload);
}

static void take_packet(struct conn *conn, uint8_t type, const uint8_t *at, size_t len) {
    uint64_t next = conn->pair->accepted + 1;
    switch (type >> 4) {
    case 2:
        if (len != 2 || at[1])
            trouble("CONNACK refuses");
        break;
    case 3: {
        size_t topic = len < 4 ? len : 2 + ((size_t)at[0] << 8 | at[1]);
        if (topic + 2 > len) {
            trouble("a PUBLISH that cannot be read");
            break;
        }
        say_octets(conn, (const uint8_t[]){0x40, 2, at[topic], at[topic + 1]}, 4);
        delivered(conn, at + topic + 2, len - topic - 2);
        break;
    }
    case 4:
        accepted(conn, len == 2 && ((unsigned)at[0] << 8 | at[1]) == (next - 1) % IDS + 1 ? next : 0);
        break;
    case 9:
    case 13:
        break;
    default:
        trouble("a packet of type %d", type >> 4);
    }
}

static size_t take(struct conn *conn, uint8_t *at, size_t len) {
    size_t done = 0;
    while (done + 2 <= len) {
        size_t rest = 0, i = done + 1;
        unsigned shift = 0;
        while (i < len && shift < 28) {
            rest |= (size_t)(at[i] & 127) << shift;
            shift += 7;
            if (at[i++] < 128)
                break;
        }
        if (at[i - 1] > 127 || i + rest > len)
            break;
        take_packet(conn, at[done], at + i, rest);
        done = i + rest;
    }
    return done;
}

const struct wire mqtt_wire = {"mqtt", open_named, take, submit, say_hello, NULL, NULL, NULL, NULL};
