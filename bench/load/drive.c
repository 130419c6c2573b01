/* The driver: who may send when, what must come back in which order, and how long it took.
 *
 * Wires call accepted, delivered, settled and not_taken; each is checked against the one number that may come next. A
 * message is done when everything that belongs to it has come back. One write a connection a turn.
 */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES (256 * 1024)
#define EVENTS 512

static int epoll;
static uint8_t scratch[READ_BYTES];
static struct conn **dirty;
static uint32_t dirty_count;

void *made(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        die("no memory");
    return memory;
}

uint8_t *grow(struct bytes *bytes, size_t len) {
    if (bytes->len + len > bytes->room) {
        bytes->room = (bytes->len + len) * 2;
        bytes->at = realloc(bytes->at, bytes->room);
        if (!bytes->at)
            die("no memory");
    }
    bytes->len += len;
    return bytes->at + bytes->len - len;
}

void put(struct bytes *bytes, const void *from, size_t len) {
    memcpy(grow(bytes, len), from, len);
}

void touched(struct conn *conn) {
    if (!conn->dirty && conn->fd >= 0) {
        conn->dirty = true;
        dirty[dirty_count++] = conn;
    }
}

/* The first bytes of a payload: whose it is, and its number; 24 and 40 bits as hexadecimal digits. */
static void write_head(uint8_t *at, uint32_t id, uint64_t number) {
    uint64_t value = (uint64_t)id << 40 | number;
    for (int i = NUMBER_BYTES - 1; i >= 0; i--, value >>= 4)
        at[i] = (uint8_t)"0123456789abcdef"[value & 15];
}

/* --- what happened --- */

static void advance(struct pair *pair) {
    struct flow *flow = pair->flow;
    uint64_t done = pair->sender ? pair->accepted : pair->delivered;
    if (pair->sender && pair->receiver && pair->delivered < done)
        done = pair->delivered;
    if (pair->outcomes && pair->settled < done)
        done = pair->settled;
    if (done <= pair->done)
        return;
    flow->done += done - pair->done;
    if (pair->sender && load.measuring)
        for (uint64_t number = pair->done + 1; number <= done; number++)
            count_time(&flow->complete, load.now - pair->times[number % RING]);
    pair->done = done;
}

void accepted(struct conn *conn, uint64_t number) {
    struct pair *pair = conn->pair;
    pair->in_flight--;
    if (number != pair->accepted + 1) {
        trouble("accepted out of order or twice");
        return;
    }
    pair->accepted = number;
    if (load.measuring)
        count_time(&pair->flow->accepted, load.now - pair->times[number % RING]);
    advance(pair);
}

/* spec 50 section 2: nothing was consumed, and what was pipelined behind it was not taken either. */
void not_taken(struct conn *conn, uint64_t number, double after_s) {
    struct pair *pair = conn->pair;
    pair->in_flight--;
    pair->flow->not_taken++;
    if (number <= pair->last)
        pair->last = number - 1;
    if (load.now + after_s > pair->paused_s)
        pair->paused_s = load.now + after_s;
}

void settled(struct conn *conn, uint64_t number) {
    if (number != conn->pair->settled + 1) {
        trouble("outcome out of order or twice");
        return;
    }
    conn->pair->settled = number;
    advance(conn->pair);
}

void delivered(struct conn *conn, const uint8_t *payload, size_t len) {
    struct pair *pair = conn->pair;
    char head[NUMBER_BYTES + 1] = {0};
    uint64_t number = pair->expected;
    if (len != load.payload_bytes ||
        memcmp(payload + NUMBER_BYTES, pair->payload + NUMBER_BYTES, len - NUMBER_BYTES)) {
        trouble("a payload that was not sent");
        return;
    }
    write_head((uint8_t *)head, pair->id, number);
    if (memcmp(payload, head, NUMBER_BYTES)) {
        memcpy(head, payload, NUMBER_BYTES);
        number = strtoull(head, NULL, 16);
        if (number >> 40 != pair->id) {
            trouble("a payload of another pair");
            return;
        }
        number &= (1ull << 40) - 1;
        trouble(number < pair->expected ? "delivered twice" : "delivered out of order");
    }
    if (number < pair->expected)
        return;
    pair->expected = number + pair->stride;
    pair->delivered = pair->sender ? number : pair->delivered + 1;
    advance(pair);
}

/* --- sending --- */

static void emit(struct pair *pair) {
    uint64_t number = ++pair->last;
    if (number > pair->ever) {
        pair->ever = number;
        pair->flow->sent++;
        if (!pair->flow->rate)
            pair->times[number % RING] = load.now;
        else if (load.measuring)
            count_time(&pair->flow->late, load.now - pair->times[number % RING]);
    }
    write_head(pair->payload, pair->id, number);
    pair->in_flight++;
    load.wire->submit(pair->sender, pair, number);
    touched(pair->sender);
}

void pump(struct pair *pair) {
    struct flow *flow = pair->flow;
    if (!pair->sender || pair->sender->fd < 0)
        return;
    if (pair->paused_s) {
        if (pair->in_flight || load.now < pair->paused_s)
            return;
        pair->paused_s = 0;
    }
    if (!flow->rate && flow->running) {
        pair->allowed = pair->done + flow->window;
        if (pair->limit && pair->allowed > pair->begun + pair->limit)
            pair->allowed = pair->begun + pair->limit;
    }
    while (pair->last < pair->allowed && pair->in_flight < UNANSWERED_MAX)
        emit(pair);
}

/* What a fixed rate owes by now: each message has its time, whatever came back. */
void schedule(struct flow *flow) {
    while (load.begun_s + flow->start_s + (double)flow->due / flow->rate <= load.now) {
        struct pair *pair = flow->pairs[flow->next];
        if (pair->allowed - pair->done < RING - 1) {
            pair->allowed++;
            pair->times[pair->allowed % RING] = load.begun_s + flow->start_s + (double)flow->due / flow->rate;
            pump(pair);
        } else
            flow->skipped++;
        flow->next = (flow->next + 1) % flow->count;
        flow->due++;
    }
}

static void hang_up(struct conn *conn) {
    trouble("connection lost");
    close(conn->fd);
    conn->fd = -1;
}

static void flush(struct conn *conn) {
    if (conn->fd >= 0 && load.wire->seal)
        load.wire->seal(conn);
    conn->dirty = false;
    if (conn->fd < 0)
        return;
    size_t at = 0;
    while (at < conn->out.len) {
        ssize_t wrote = send(conn->fd, conn->out.at + at, conn->out.len - at, MSG_NOSIGNAL);
        if (wrote < 0 && errno != EAGAIN) {
            hang_up(conn);
            return;
        }
        if (wrote < 0)
            break;
        at += (size_t)wrote;
    }
    memmove(conn->out.at, conn->out.at + at, conn->out.len - at);
    conn->out.len -= at;
    if (conn->blocked != (conn->out.len > 0)) {
        conn->blocked = !conn->blocked;
        struct epoll_event wanted = {EPOLLIN | (conn->blocked ? EPOLLOUT : 0), {.ptr = conn}};
        epoll_ctl(epoll, EPOLL_CTL_MOD, conn->fd, &wanted);
    }
}

void flush_all(void) {
    for (uint32_t i = 0; i < dirty_count; i++)
        flush(dirty[i]);
    dirty_count = 0;
}

/* --- hearing --- */

static void hear(struct conn *conn, bool readable) {
    size_t held = conn->in.len;
    if (held >= sizeof scratch)
        die("a message that is too long");
    memcpy(scratch, conn->in.at ? conn->in.at : scratch, held);
    ssize_t got = readable ? recv(conn->fd, scratch + held, sizeof scratch - held, MSG_DONTWAIT) : 0;
    if (readable && got <= 0) {
        if (got == 0 || errno != EAGAIN)
            hang_up(conn);
        return;
    }
    size_t all = held + (size_t)got, taken = load.wire->take(conn, scratch, all);
    conn->in.len = 0;
    if (taken < all)
        put(&conn->in, scratch + taken, all - taken);
    if (load.wire->acknowledge)
        load.wire->acknowledge(conn);
    pump(conn->pair);
}

void turn(double until_s) {
    struct epoll_event events[EVENTS];
    double wait_s = until_s - load.now;
    wait_s = wait_s < 0 ? 0 : wait_s > TICK_S ? TICK_S : wait_s;
    struct timespec wait = {0, (long)(wait_s * 1e9)};
    int count = epoll_pwait2(epoll, events, EVENTS, &wait, NULL);
    load.now = clock_s();
    for (int i = 0; i < count; i++) {
        struct conn *conn = events[i].data.ptr;
        if (conn->fd < 0)
            continue;
        if (events[i].events & EPOLLOUT)
            touched(conn);
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            hear(conn, true);
    }
    flush_all();
}

void prepare(void) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    dirty = made(load.conn_count, sizeof *dirty);
    for (uint32_t i = 0; i < load.conn_count; i++) {
        struct conn *conn = &load.conns[i];
        struct epoll_event wanted = {EPOLLIN, {.ptr = conn}};
        if (!conn->pair)
            die("a connection without a pair");
        fcntl(conn->fd, F_SETFL, fcntl(conn->fd, F_GETFL) | O_NONBLOCK);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, conn->fd, &wanted))
            die("a connection that is not open");
    }
    load.now = load.begun_s = clock_s();
    for (uint32_t i = 0; i < load.conn_count; i++) {
        if (load.conns[i].in.len)
            hear(&load.conns[i], false);
        if (load.wire->begin)
            load.wire->begin(&load.conns[i]);
    }
}
