/* The wire of the relay itself: records (spec 10), frames (spec 30), SUBMIT, SUBMITTED, DELIVER, OUTCOME and ACK.
 *
 * The handshake and the login were done by whoever started this; the keys of both directions and how many records each
 * has seen come with the order. A frame that is expected is read field by field; nothing else is let pass in silence.
 */
#include "load.h"
#include "msgpack.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define KEY_BYTES 32
#define TAG_BYTES 16
#define RECORD_BYTES 16384
#define REKEY_RECORDS 65536
#define REKEY_BYTES (1u << 30)
#define REKEY_S 600.0
#define LANES 3
#define OUTCOME_LANE 2
#define FIELDS_MAX 16

enum kind {
    SUBMIT = 3, ACK = 5, PING = 32, PONG = 33, REKEY = 34, GOAWAY = 35, SUBMITTED = 130, NOT_TAKEN = 131,
    DELIVER = 160, DRAINED = 162, OUTCOME = 163, PREKEYS_LOW = 164
};

struct direction {
    EVP_CIPHER_CTX *context;
    uint64_t number, records, octets;
    double since_s;
};

/* SUBMIT behind its two numbers; the body, whose bytes are the payload, begins at `body`. */
struct tail {
    struct bytes octets;
    size_t body;
};

struct relay {
    struct direction send, receive;
    bool gcm, granted;
    struct bytes plain;
    uint64_t epoch, floors[LANES], said[LANES];
    uint64_t messages, octets, grant_messages, grant_octets;
    struct tail *tails;
    uint32_t tail_count;
};

static uint8_t opened[RECORD_BYTES + TAG_BYTES];

/* --- records --- */

/* Noise rev 34 section 12: four zero bytes and the counter, little endian for ChaChaPoly and big endian for AESGCM. */
static void nonce_of(const struct relay *relay, uint64_t number, uint8_t nonce[12]) {
    memset(nonce, 0, 4);
    for (int i = 0; i < 8; i++)
        nonce[4 + (relay->gcm ? 7 - i : i)] = (uint8_t)(number >> (8 * i));
}

static void take_key(const struct relay *relay, struct direction *direction, const uint8_t *key, bool seals) {
    if (!direction->context)
        direction->context = EVP_CIPHER_CTX_new();
    const EVP_CIPHER *cipher = relay->gcm ? EVP_aes_256_gcm() : EVP_chacha20_poly1305();
    if (!direction->context || !EVP_CipherInit_ex(direction->context, cipher, NULL, key, NULL, seals))
        die("no cipher");
    direction->records = direction->octets = 0;
    direction->since_s = load.now;
}

static void encrypt(const struct relay *relay, struct direction *direction, uint64_t number, const uint8_t *plain,
                    size_t len, uint8_t *sealed) {
    uint8_t nonce[12];
    int wrote, rest;
    nonce_of(relay, number, nonce);
    if (!EVP_EncryptInit_ex(direction->context, NULL, NULL, NULL, nonce) ||
        !EVP_EncryptUpdate(direction->context, sealed, &wrote, plain, (int)len) ||
        !EVP_EncryptFinal_ex(direction->context, sealed + wrote, &rest) ||
        !EVP_CIPHER_CTX_ctrl(direction->context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, sealed + len))
        die("a record that cannot be sealed");
}

static bool decrypt(const struct relay *relay, struct direction *direction, uint8_t *sealed, size_t len) {
    uint8_t nonce[12];
    int wrote, rest;
    nonce_of(relay, direction->number, nonce);
    direction->number++;
    return EVP_DecryptInit_ex(direction->context, NULL, NULL, NULL, nonce) &&
           EVP_CIPHER_CTX_ctrl(direction->context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, sealed + len) &&
           EVP_DecryptUpdate(direction->context, opened, &wrote, sealed, (int)len) &&
           EVP_DecryptFinal_ex(direction->context, opened + wrote, &rest);
}

/* spec 10 section 4. The context encrypts for this one step, whichever direction it is. */
static void rekey(struct relay *relay, struct direction *direction, bool seals) {
    uint8_t zeros[KEY_BYTES] = {0}, key[KEY_BYTES + TAG_BYTES];
    EVP_CipherInit_ex(direction->context, NULL, NULL, NULL, NULL, 1);
    encrypt(relay, direction, UINT64_MAX, zeros, sizeof zeros, key);
    take_key(relay, direction, key, seals);
    OPENSSL_cleanse(key, sizeof key);
}

static size_t bucket_of(size_t len) {
    return len <= 256 ? 256 : len <= 1024 ? 1024 : len <= 4096 ? 4096 : RECORD_BYTES;
}

static void seal_record(struct conn *conn) {
    struct relay *relay = conn->state;
    struct direction *direction = &relay->send;
    size_t len = relay->plain.len, size = bucket_of(len);
    if (!len)
        return;
    memset(grow(&relay->plain, size - len), 0, size - len);
    uint8_t *record = grow(&conn->out, 2 + size + TAG_BYTES);
    record[0] = (uint8_t)((size + TAG_BYTES) >> 8), record[1] = (uint8_t)(size + TAG_BYTES);
    encrypt(relay, direction, direction->number++, relay->plain.at, size, record + 2);
    relay->plain.len = 0;
    direction->records++;
    direction->octets += size;
}

static void say(struct conn *conn, const uint8_t *frame, size_t len) {
    struct relay *relay = conn->state;
    uint8_t prefix[2] = {(uint8_t)(len >> 8), (uint8_t)len};
    if (relay->plain.len + 2 + len > RECORD_BYTES)
        seal_record(conn);
    put(&relay->plain, prefix, 2);
    put(&relay->plain, frame, len);
    touched(conn);
}

static void seal(struct conn *conn) {
    struct relay *relay = conn->state;
    const struct direction *direction = &relay->send;
    bool due = direction->records >= REKEY_RECORDS || direction->octets >= REKEY_BYTES ||
               load.now - direction->since_s >= REKEY_S;
    if (due && relay->plain.len)
        say(conn, (const uint8_t[]){0x92, REKEY, 0}, 3);
    seal_record(conn);
    if (due && !relay->plain.len && direction->octets)
        rekey(relay, &relay->send, true);
}

/* --- frames --- */

static void take_submitted(struct conn *conn, struct reader *reader) {
    uint64_t submission = read_uint(reader), targets = read_array(reader), refused = 0;
    for (uint64_t i = 0; i < targets && !reader->bad; i++) {
        uint64_t code = read_uint(reader);
        refused += code != 0;
        if (code)
            trouble("SUBMITTED code %lu", code);
    }
    if (!reader->bad && (read_array(reader) || read_uint(reader)) && !refused)
        trouble("SUBMITTED with mismatches or a time to wait");
    if (!reader->bad)
        accepted(conn, submission);
}

static bool in_order(struct relay *relay, uint64_t lane, uint64_t sequence) {
    if (lane >= LANES) {
        trouble("a lane that nobody has");
        return false;
    }
    if (sequence != relay->floors[lane] + 1)
        trouble(sequence <= relay->floors[lane] ? "sequence twice" : "sequence missing");
    if (sequence <= relay->floors[lane])
        return false;
    relay->floors[lane] = sequence;
    return true;
}

static void take_deliver(struct conn *conn, struct reader *reader) {
    struct relay *relay = conn->state;
    size_t len, wrap_len;
    uint64_t lane = read_uint(reader), sequence = read_uint(reader);
    read_bin(reader, &len);
    read_uint(reader), read_uint(reader), read_uint(reader);
    read_bin(reader, &len), read_bin(reader, &len), read_bin(reader, &wrap_len);
    const uint8_t *body = read_bin(reader, &len);
    if (reader->bad)
        return;
    relay->messages++;
    relay->octets += len + wrap_len;
    if (in_order(relay, lane, sequence))
        delivered(conn, body, len);
}

static void take_outcome(struct conn *conn, struct reader *reader) {
    struct relay *relay = conn->state;
    uint64_t sequence = read_uint(reader), submission = read_uint(reader), target = read_uint(reader),
             result = read_uint(reader);
    if (reader->bad)
        return;
    relay->messages++;
    if (target != 0 || result != 1)
        trouble("OUTCOME result %lu of target %lu", result, target);
    if (in_order(relay, OUTCOME_LANE, sequence))
        settled(conn, submission);
}

static void take_frame(struct conn *conn, const uint8_t *at, size_t len) {
    struct relay *relay = conn->state;
    struct reader reader = {at, at + len, false};
    uint8_t pong[8] = {0x92, PONG};
    read_array(&reader);
    uint64_t kind = read_uint(&reader), request = read_uint(&reader), code;
    switch (kind) {
    case SUBMITTED:
        take_submitted(conn, &reader);
        break;
    case DELIVER:
        take_deliver(conn, &reader);
        break;
    case OUTCOME:
        take_outcome(conn, &reader);
        break;
    case NOT_TAKEN:
        request = read_uint(&reader);
        read_uint(&reader);
        not_taken(conn, request, (double)read_uint(&reader) / 1e3);
        break;
    case REKEY:
        rekey(relay, &relay->receive, false);
        break;
    case PING:
        say(conn, pong, (size_t)(write_uint(pong + 2, request) - pong));
        break;
    case DRAINED:
    case PREKEYS_LOW:
    case PONG:
        break;
    default:
        code = read_uint(&reader);
        trouble("frame of kind %lu, first field %lu", kind, reader.bad ? 0 : code);
        return;
    }
    if (reader.bad)
        trouble("a frame of kind %lu that cannot be read", kind);
}

static size_t take(struct conn *conn, uint8_t *at, size_t len) {
    struct relay *relay = conn->state;
    size_t done = 0;
    while (done + 2 <= len) {
        size_t size = (size_t)at[done] << 8 | at[done + 1];
        if (size < TAG_BYTES || size - TAG_BYTES > RECORD_BYTES || bucket_of(size - TAG_BYTES) != size - TAG_BYTES) {
            trouble("a record of a length that none has");
            return len;
        }
        if (done + 2 + size > len)
            break;
        size -= TAG_BYTES;
        if (!decrypt(relay, &relay->receive, at + done + 2, size)) {
            trouble("a record that does not open");
            return len;
        }
        done += 2 + size + TAG_BYTES;
        for (size_t i = 0; i + 2 <= size;) {
            size_t frame = (size_t)opened[i] << 8 | opened[i + 1];
            if (!frame)
                break;
            i += 2 + frame;
            if (i > size) {
                trouble("a frame longer than its record");
                break;
            }
            take_frame(conn, opened + i - frame, frame);
        }
    }
    return done;
}

/* spec 50 section 3: one for each lane that has moved, and credit for as much again as was taken. */
static void say_ack(struct conn *conn, uint8_t lane) {
    struct relay *relay = conn->state;
    uint8_t frame[64] = {0x98, ACK, 0}, *at = write_uint(frame + 3, relay->epoch);
    *at++ = lane;
    at = write_uint(at, relay->floors[lane]);
    *at++ = 0x90, *at++ = 0x92;
    at = write_uint(at, relay->messages + relay->grant_messages);
    at = write_uint(at, relay->octets + relay->grant_octets);
    *at++ = 0x90;
    relay->said[lane] = relay->floors[lane];
    say(conn, frame, (size_t)(at - frame));
}

static void acknowledge(struct conn *conn) {
    struct relay *relay = conn->state;
    for (uint8_t lane = 0; lane < LANES; lane++)
        if (relay->said[lane] != relay->floors[lane])
            say_ack(conn, lane);
}

/* A device that granted nothing in HELLO does so now: a drain begins for all at once. */
static void begin(struct conn *conn) {
    const struct relay *relay = conn->state;
    if (!relay->granted)
        say_ack(conn, 0);
}

static void submit(struct conn *conn, struct pair *pair, uint64_t number) {
    const struct relay *relay = conn->state;
    static uint8_t frame[RECORD_BYTES];
    if (!relay->tail_count)
        die("a sender without anything to say");
    const struct tail *tail = &relay->tails[(number - pair->begun - 1) % relay->tail_count];
    uint8_t *at = write_uint((frame[0] = 0x9d, frame[1] = SUBMIT, frame[2] = 0, frame + 3), number);
    if ((size_t)(at - frame) + tail->octets.len > sizeof frame - 2)
        die("a frame that fits no record");
    memcpy(at, tail->octets.at, tail->octets.len);
    memcpy(at + tail->body, pair->payload, load.payload_bytes);
    say(conn, frame, (size_t)(at - frame) + tail->octets.len);
}

/* --- the order --- */

static void open_conn(struct conn *conn, char *line) {
    struct relay *relay = conn->state = made(1, sizeof *relay);
    struct bytes key = {0};
    relay->gcm = number_of(line, "gcm", 0);
    if (hex_of(line, "send", &key) != KEY_BYTES)
        die("a key that is none");
    take_key(relay, &relay->send, key.at, true);
    if (hex_of(line, "receive", &key) != KEY_BYTES)
        die("a key that is none");
    take_key(relay, &relay->receive, key.at, false);
    OPENSSL_cleanse(key.at, key.room);
    relay->send.number = number_of(line, "sent", 0);
    relay->receive.number = number_of(line, "got", 1);
    relay->epoch = number_of(line, "epoch", 0);
    relay->floors[0] = relay->said[0] = number_of(line, "normal", 0);
    relay->floors[1] = relay->said[1] = number_of(line, "urgent", 0);
    relay->floors[2] = relay->said[2] = number_of(line, "outcome", 0);
    relay->granted = number_of(line, "granted", 1);
    relay->grant_messages = number_of(line, "messages", 1024);
    relay->grant_octets = number_of(line, "octets", 4 << 20);
}

static void add_tail(struct conn *conn, char *line) {
    struct relay *relay = conn->state;
    struct tail *tails = made(relay->tail_count + 1, sizeof *tails);
    for (uint32_t i = 0; i < relay->tail_count; i++)
        tails[i] = relay->tails[i];
    struct tail *tail = &tails[relay->tail_count++];
    relay->tails = tails;
    tail->body = number_of(line, "body", 0);
    if (hex_of(line, "octets", &tail->octets) < tail->body + load.payload_bytes)
        die("a body that ends beyond its frame");
}

static void report(struct conn *conn) {
    const struct relay *relay = conn->state;
    printf("[%lu,%lu,%lu,%lu]", conn->pair->sender == conn ? conn->pair->ever : 0, relay->floors[0], relay->floors[1],
           relay->floors[2]);
}

const struct wire relay_wire = {"relay", open_conn, take, submit, begin, acknowledge, seal, add_tail, report};
