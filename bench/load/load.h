/* The load generator: what its parts share.
 *
 * A wire is how one server is spoken to. The driver (drive.c) knows pairs, numbers and times, a wire knows bytes; the
 * order (order.c) is what standard input says. One process, one thread, one core, one epoll.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNANSWERED_MAX 256 /* spec 50 section 2 */
#define RING 1024          /* numbers of a pair whose time is known; more than may be under way */
#define SLOTS 2048         /* of a histogram: 32 an octave of microseconds */
#define TICK_S 0.05        /* how long nothing is looked at, at most */
#define NUMBER_BYTES 16    /* a payload begins with the pair and the number, in hexadecimal digits */

struct bytes {
    uint8_t *at;
    size_t len, room;
};

struct histogram {
    uint64_t count, max;
    uint32_t slot[SLOTS];
};

/* Pairs that send by one rule: `window` under way each, or `rate` a second over all. `limit` is a pair's, 0: none. */
struct flow {
    double rate, start_s;
    uint32_t window;
    bool running;
    uint64_t due, done, done_before, sent, skipped, not_taken;
    double ended_s;
    struct histogram accepted, complete, late;
    struct pair **pairs;
    uint32_t count, next;
};

struct conn {
    int fd;
    uint32_t index;
    bool dirty, blocked;
    struct bytes in, out;
    struct pair *pair;
    void *state;
};

/* One that sends, or one that receives, or both. Numbers are absolute: `begun` is the one before the first. Who only
 * receives may meet every `stride`-th, since a sender may have several recipients in turn; `done` then counts on from
 * `begun`. */
struct pair {
    struct flow *flow;
    struct conn *sender, *receiver;
    uint32_t id, stride, in_flight;
    bool outcomes, receipts;
    uint64_t begun, limit, allowed, last, ever, accepted, settled, delivered, expected, done;
    double paused_s;
    double *times;
    uint8_t *payload;
};

struct wire {
    const char *name;
    void (*open)(struct conn *conn, char *line);
    /* Take what it can of `len` bytes and return how many; what they mean goes to accepted, delivered and so on. */
    size_t (*take)(struct conn *conn, uint8_t *at, size_t len);
    void (*submit)(struct conn *conn, struct pair *pair, uint64_t number);
    void (*begin)(struct conn *conn);       /* the run begins; may be null */
    void (*acknowledge)(struct conn *conn); /* a read is over; may be null */
    void (*seal)(struct conn *conn);        /* before a write; may be null */
    void (*tail)(struct conn *conn, char *line);
    void (*report)(struct conn *conn); /* what the next connection must know, as JSON; may be null */
};

struct load {
    const struct wire *wire;
    int pid, server_core, own_core;
    double warm_s, seconds, settle_s, now, begun_s;
    bool measuring;
    uint32_t payload_bytes;
    struct flow *flows;
    uint32_t flow_count;
    struct pair *pairs;
    uint32_t pair_count;
    struct conn *conns;
    uint32_t conn_count;
};

extern struct load load;

void put(struct bytes *bytes, const void *from, size_t len);
uint8_t *grow(struct bytes *bytes, size_t len);
void *made(size_t count, size_t size);
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *said, ...);

/* order.c: reads standard input; each connection's line is kept until its wire has taken it. */
void read_order(void);
uint64_t number_of(const char *line, const char *key, uint64_t otherwise);
double real_of(const char *line, const char *key, double otherwise);
size_t hex_of(const char *line, const char *key, struct bytes *into);

/* drive.c: what a wire says happened. */
void touched(struct conn *conn);
void accepted(struct conn *conn, uint64_t number);
void not_taken(struct conn *conn, uint64_t number, double after_s);
void settled(struct conn *conn, uint64_t number);
void delivered(struct conn *conn, const uint8_t *payload, size_t len);
__attribute__((format(printf, 1, 2))) void trouble(const char *said, ...);

/* drive.c, for run.c: one look at all connections, until then at most; and what is to be sent. */
void prepare(void);
void turn(double until_s);
void pump(struct pair *pair);
void schedule(struct flow *flow);
void flush_all(void);

/* figures.c: clocks and counts. */
double clock_s(void);
void count_time(struct histogram *histogram, double seconds);
void print_times(const char *name, const struct histogram *histogram);
void meter_begin(void);
void meter_end(void);
void print_meter(void);
void print_troubles(void);

/* peers.c: what the wires of other servers share. Each has one name, of a topic, a stream, a queue or a person, and
 * may have something to say when the run begins. */
struct named {
    struct bytes key, hello;
    uint64_t last;
    struct bytes note;
    bool flag;
};
void open_named(struct conn *conn, char *line);
void say_hello(struct conn *conn);
__attribute__((format(printf, 2, 3))) void say_text(struct conn *conn, const char *said, ...);
void say_octets(struct conn *conn, const void *octets, size_t len);

extern const struct wire relay_wire, mqtt_wire, nats_wire, valkey_wire, amqp_wire, xmpp_wire;

#endif
