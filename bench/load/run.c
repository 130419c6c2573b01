/* The run: warm up, measure, let what is under way come back, and print one JSON line. */
#include "load.h"

#include <stdio.h>

struct load load;

static bool finished(const struct flow *flow) {
    for (uint32_t i = 0; i < flow->count; i++) {
        const struct pair *pair = flow->pairs[i];
        if (pair->done < pair->begun + pair->limit)
            return false;
    }
    return true;
}

static bool limits_reached(void) {
    for (uint32_t i = 0; i < load.flow_count; i++) {
        struct flow *flow = &load.flows[i];
        if (flow->rate || flow->ended_s)
            continue;
        if (!flow->running || !finished(flow))
            return false;
        flow->ended_s = load.now - load.begun_s - flow->start_s;
    }
    return true;
}

static void start_flows(void) {
    for (uint32_t i = 0; i < load.flow_count; i++) {
        struct flow *flow = &load.flows[i];
        if (!flow->running && load.now >= load.begun_s + flow->start_s) {
            flow->running = true;
            for (uint32_t j = 0; j < flow->count; j++)
                pump(flow->pairs[j]);
        }
    }
}

static double next_due(void) {
    double next = load.now + TICK_S;
    for (uint32_t i = 0; i < load.flow_count; i++) {
        struct flow *flow = &load.flows[i];
        if (flow->rate && flow->running) {
            double due = load.begun_s + flow->start_s + (double)flow->due / flow->rate;
            next = due < next ? due : next;
        }
    }
    return next;
}

static void pump_paused(void) {
    for (uint32_t i = 0; i < load.pair_count; i++)
        if (load.pairs[i].paused_s)
            pump(&load.pairs[i]);
}

/* Until the time is over, or without one until every limit is reached; true if that took no longer than it may. */
static bool measure(void) {
    double end_s = load.begun_s + load.warm_s + (load.seconds ? load.seconds : load.settle_s);
    while (load.now < end_s) {
        if (!load.measuring && load.now >= load.begun_s + load.warm_s) {
            load.measuring = true;
            meter_begin();
            for (uint32_t i = 0; i < load.flow_count; i++)
                load.flows[i].done_before = load.flows[i].done;
        }
        start_flows();
        for (uint32_t i = 0; i < load.flow_count; i++)
            if (load.flows[i].rate && load.flows[i].running)
                schedule(&load.flows[i]);
        pump_paused();
        flush_all();
        turn(next_due());
        if (!load.seconds && limits_reached())
            return true;
    }
    return load.seconds > 0;
}

static uint64_t unfinished(void) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < load.pair_count; i++)
        if (load.pairs[i].sender)
            count += load.pairs[i].ever - load.pairs[i].done;
    return count;
}

static void settle(void) {
    double until_s = clock_s() + load.settle_s;
    /* Times go on being counted: who was slow at the end must not be missing. */
    for (uint32_t i = 0; i < load.flow_count; i++)
        load.flows[i].running = false;
    for (uint32_t i = 0; i < load.pair_count; i++)
        load.pairs[i].allowed = load.pairs[i].ever;
    while (load.now < until_s && unfinished()) {
        pump_paused();
        flush_all();
        turn(until_s);
    }
    /* Something that comes twice comes now. */
    for (until_s = load.now + TICK_S; load.now < until_s;)
        turn(until_s);
}

static void print_flow(const struct flow *flow, uint64_t count) {
    uint64_t lost = 0;
    for (uint32_t i = 0; i < flow->count; i++)
        if (flow->pairs[i]->sender)
            lost += flow->pairs[i]->ever - flow->pairs[i]->done;
        else
            lost += flow->pairs[i]->limit - (flow->pairs[i]->done - flow->pairs[i]->begun);
    printf("{\"count\":%lu,\"sent\":%lu,\"lost\":%lu,\"not_taken\":%lu,\"skipped\":%lu,\"took\":%.6f", count,
           flow->sent, lost, flow->not_taken, flow->skipped, flow->ended_s);
    print_times("accepted", &flow->accepted);
    print_times("complete", &flow->complete);
    print_times("late", &flow->late);
    printf("}");
}

int main(void) {
    load.now = clock_s();
    read_order();
    prepare();
    if (!measure())
        trouble("not finished in time");
    meter_end();
    uint64_t *counts = made(load.flow_count, sizeof *counts);
    for (uint32_t i = 0; i < load.flow_count; i++)
        counts[i] = load.flows[i].done - load.flows[i].done_before;
    settle();
    printf("{");
    print_meter();
    print_troubles();
    printf(",\"flows\":[");
    for (uint32_t i = 0; i < load.flow_count; i++) {
        printf(i ? "," : "");
        print_flow(&load.flows[i], counts[i]);
    }
    printf("],\"conns\":[");
    for (uint32_t i = 0; load.wire->report && i < load.conn_count; i++) {
        printf(i ? "," : "");
        load.wire->report(&load.conns[i]);
    }
    printf("]}\n");
    return 0;
}
