/* The wire of XMPP with stream management (XEP-0198): messages, and <r/> and <a/> to acknowledge them both ways.
 *
 * The stanzas of a server that was just started for this are the only input, so they are looked for, not parsed.
 */
#define _GNU_SOURCE
#include "load.h"

#include <stdlib.h>
#include <string.h>

#define STANZA_MAX 8192
#define SM "urn:xmpp:sm:3"

static void submit(struct conn *conn, struct pair *pair, uint64_t number) {
    struct named *named = conn->state;
    (void)number;
    say_text(conn, "<message to='%s' type='chat'><body>", (const char *)named->key.at);
    say_octets(conn, pair->payload, load.payload_bytes);
    say_octets(conn, "</body></message>", 17);
    named->flag = true;
}

/* What was sent in this turn is asked for once. */
static void seal(struct conn *conn) {
    struct named *named = conn->state;
    if (named->flag)
        say_octets(conn, "<r xmlns='" SM "'/>", sizeof "<r xmlns='" SM "'/>" - 1);
    named->flag = false;
}

static void take_message(struct conn *conn, const char *at, size_t len) {
    struct named *named = conn->state;
    const char *body = memmem(at, len, "<body>", 6), *end = body ? memmem(body, len - (size_t)(body - at), "</body>", 7) : NULL;
    named->last++;
    if (memmem(at, len, "type='error'", 12) || memmem(at, len, "type=\"error\"", 12))
        trouble("a message of type error");
    else if (end)
        delivered(conn, (const uint8_t *)body + 6, (size_t)(end - body) - 6);
    else
        trouble("a message without a body");
}

static void take_answer(struct conn *conn, const char *at, size_t len) {
    const struct pair *pair = conn->pair;
    const char *h = memmem(at, len, " h=", 3);
    uint64_t number = h ? pair->begun + strtoull(h + 4, NULL, 10) : 0;
    if (!h || number > pair->last)
        trouble("<a/> for what was not sent");
    while (h && pair->accepted < number && number <= pair->last)
        accepted(conn, pair->accepted + 1);
}

static bool is(const char *at, size_t len, const char *name) {
    size_t size = strlen(name);
    return len > size && !memcmp(at, name, size) && strchr(" />", at[size]);
}

static size_t take(struct conn *conn, uint8_t *octets, size_t len) {
    struct named *named = conn->state;
    size_t done = 0;
    while (done < len) {
        const char *at = (const char *)octets + done, *end = NULL;
        size_t left = len - done;
        if (*at != '<') {
            done++;
            continue;
        }
        const char *closing = is(at, left, "<message")    ? "</message>"
                              : is(at, left, "<presence") ? "</presence>"
                              : is(at, left, "<iq")       ? "</iq>"
                                                          : NULL;
        size_t size = 1;
        end = memchr(at, '>', left);
        if (end && closing && end[-1] != '/') {
            end = memmem(at, left, closing, strlen(closing));
            size = strlen(closing);
        }
        if (!end)
            break;
        size += (size_t)(end - at);
        if (is(at, left, "<message"))
            take_message(conn, at, size);
        else if (closing)
            named->last++;
        else if (is(at, left, "<r"))
            say_text(conn, "<a xmlns='" SM "' h='%lu'/>", named->last);
        else if (is(at, left, "<a"))
            take_answer(conn, at, size);
        else if (is(at, left, "<stream:error") || is(at, left, "</stream:stream"))
            trouble("%.60s", at);
        done += size;
    }
    return done;
}

const struct wire xmpp_wire = {"xmpp", open_named, take, submit, say_hello, NULL, seal, NULL, NULL};
