/* What the wires of other servers share: a name, a greeting, and text straight into the connection's bytes. */
#include "load.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_MAX 1024

void open_named(struct conn *conn, char *line) {
    struct named *named = conn->state = made(1, sizeof *named);
    hex_of(line, "key", &named->key);
    put(&named->key, "", 1);
    named->key.len--;
    hex_of(line, "hello", &named->hello);
    named->last = number_of(line, "taken", 0);
}

void say_octets(struct conn *conn, const void *octets, size_t len) {
    put(&conn->out, octets, len);
    touched(conn);
}

void say_hello(struct conn *conn) {
    const struct named *named = conn->state;
    if (named->hello.len)
        say_octets(conn, named->hello.at, named->hello.len);
}

void say_text(struct conn *conn, const char *said, ...) {
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, said);
    int len = vsnprintf(text, sizeof text, said, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= sizeof text)
        die("a text that is too long");
    say_octets(conn, text, (size_t)len);
}
