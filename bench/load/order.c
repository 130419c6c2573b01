/* What standard input orders, a line each: load, flow, conn, tail and pair, with key=value words.
 *
 * Keys of connections come here and nowhere else: standard input is a pipe from the process that shook hands, while
 * an argument vector and an environment can be read by others.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct wire *const wires[] = {&relay_wire, &mqtt_wire, &nats_wire, &valkey_wire, &amqp_wire, &xmpp_wire};

static const char *text_of(const char *line, const char *key) {
    size_t len = strlen(key);
    for (const char *at = strchr(line, ' '); at; at = strchr(at + 1, ' '))
        if (!strncmp(at + 1, key, len) && at[1 + len] == '=')
            return at + 2 + len;
    return NULL;
}

uint64_t number_of(const char *line, const char *key, uint64_t otherwise) {
    const char *text = text_of(line, key);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

double real_of(const char *line, const char *key, double otherwise) {
    const char *text = text_of(line, key);
    return text ? strtod(text, NULL) : otherwise;
}

static int digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t hex_of(const char *line, const char *key, struct bytes *into) {
    const char *text = text_of(line, key);
    into->len = 0;
    for (; text && digit(text[0]) >= 0 && digit(text[1]) >= 0; text += 2) {
        uint8_t octet = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
        put(into, &octet, 1);
    }
    return into->len;
}

static void read_load(const char *line) {
    const char *name = text_of(line, "wire");
    for (size_t i = 0; name && i < sizeof wires / sizeof *wires; i++)
        if (!strncmp(name, wires[i]->name, strlen(wires[i]->name)))
            load.wire = wires[i];
    if (!load.wire)
        die("no such wire");
    load.pid = (int)number_of(line, "pid", 0);
    load.server_core = (int)number_of(line, "server", 0);
    load.own_core = (int)number_of(line, "own", 1);
    load.warm_s = real_of(line, "warm", 0);
    load.seconds = real_of(line, "seconds", 0);
    load.settle_s = real_of(line, "settle", 60);
    load.payload_bytes = (uint32_t)number_of(line, "payload", 200);
    load.flow_count = (uint32_t)number_of(line, "flows", 1);
    load.conn_count = (uint32_t)number_of(line, "conns", 0);
    load.pair_count = (uint32_t)number_of(line, "pairs", 0);
    if (load.payload_bytes < NUMBER_BYTES)
        die("a payload has at least %d bytes", NUMBER_BYTES);
    load.flows = made(load.flow_count, sizeof *load.flows);
    load.conns = made(load.conn_count, sizeof *load.conns);
    load.pairs = made(load.pair_count, sizeof *load.pairs);
}

static void read_flow(const char *line, struct flow *flow) {
    flow->window = (uint32_t)number_of(line, "window", 1);
    flow->rate = real_of(line, "rate", 0);
    flow->start_s = real_of(line, "start", 0);
    if (flow->window > UNANSWERED_MAX)
        die("more than %d cannot be unanswered", UNANSWERED_MAX);
    flow->pairs = made(load.pair_count, sizeof *flow->pairs);
}

/* Printable bytes that differ from pair to pair; whoever receives them knows what they must be. */
static void fill(struct pair *pair) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t state = pair->id * 0x9e3779b97f4a7c15u + 1;
    pair->payload = made(1, load.payload_bytes + 1);
    for (uint32_t i = 0; i < load.payload_bytes; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        pair->payload[i] = (uint8_t)alphabet[state >> 58];
    }
}

static struct conn *conn_of(const char *line, const char *key, struct pair *pair) {
    uint64_t index = number_of(line, key, UINT64_MAX);
    if (index == UINT64_MAX)
        return NULL;
    if (index >= load.conn_count)
        die("no such connection");
    load.conns[index].pair = pair;
    return &load.conns[index];
}

static void read_pair(const char *line, struct pair *pair) {
    uint64_t flow = number_of(line, "flow", 0);
    if (flow >= load.flow_count)
        die("no such flow");
    pair->flow = &load.flows[flow];
    pair->flow->pairs[pair->flow->count++] = pair;
    pair->id = (uint32_t)number_of(line, "id", 0);
    pair->sender = conn_of(line, "sender", pair);
    pair->receiver = conn_of(line, "receiver", pair);
    pair->outcomes = number_of(line, "outcomes", 0);
    pair->stride = (uint32_t)number_of(line, "stride", 1);
    pair->limit = number_of(line, "each", 0);
    pair->begun = pair->last = pair->ever = pair->accepted = pair->settled = pair->delivered = pair->done =
        pair->allowed = number_of(line, "number", 0);
    pair->expected = pair->begun + 1;
    if (pair->sender)
        pair->times = made(RING, sizeof *pair->times);
    fill(pair);
}

static struct conn *read_conn(char *line, uint32_t index) {
    struct conn *conn = &load.conns[index];
    conn->index = index;
    conn->fd = (int)number_of(line, "fd", UINT32_MAX);
    load.wire->open(conn, line);
    hex_of(line, "pending", &conn->in);
    return conn;
}

void read_order(void) {
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    uint32_t flows = 0, conns = 0, pairs = 0;
    struct conn *newest = NULL;
    while ((len = getline(&line, &room, stdin)) > 0) {
        if (line[len - 1] == '\n')
            line[len - 1] = 0;
        if (!strncmp(line, "load ", 5))
            read_load(line);
        else if (!strncmp(line, "flow ", 5) && flows < load.flow_count)
            read_flow(line, &load.flows[flows++]);
        else if (!strncmp(line, "conn ", 5) && conns < load.conn_count)
            newest = read_conn(line, conns++);
        else if (!strncmp(line, "tail ", 5) && newest && load.wire->tail)
            load.wire->tail(newest, line);
        else if (!strncmp(line, "pair ", 5) && pairs < load.pair_count)
            read_pair(line, &load.pairs[pairs++]);
        else
            die("an order that nobody knows: %.20s", line);
        explicit_bzero(line, (size_t)len);
    }
    if (flows != load.flow_count || conns != load.conn_count || pairs != load.pair_count)
        die("the order ended early");
    free(line);
}
