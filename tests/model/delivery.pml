/* Spec 50 as a model for spin: one device sends, one receives, and a relay between them that crashes.
 *
 * In it: numbered submissions with a window, NOT_TAKEN and going back, refusals, group commit that may fail, the
 * ledger, sequences, pages, delivery, acknowledgements out of order, outcomes, expiry, connections that end or are
 * taken over with work still in the intake, and crashes that take everything but what was committed.
 * Not in it: several lanes, devices, targets or epochs, credit, lengths, times; docs/reliability.md says what that
 * means. A commit is one step: that SQLite makes it so is what tests/faults shows.
 *
 * Rules. Everything that goes wrong is counted and bounded, so a run that is not over can always go on; there is no
 * cycle (searched with -DNP); and where nothing more can happen, judge looks whether it ended well. So "nobody waits
 * for ever" needs no fairness but that what can happen some time does.
 *
 * Each BUG_ is a mistake to be found; tests/model/test_promela.py runs them all. Bit i of a byte is number i.
 */
#ifndef NUMBERS
#define NUMBERS 2    /* submissions, hence sequences and outcomes at most */
#endif
#ifndef WINDOW
#define WINDOW 2     /* unanswered submissions at most: the spec's 256 */
#endif
#ifndef TROUBLES
#define TROUBLES 2   /* crashes, connections that end or are taken over, faults, refusals, expiries: in all, of any kind */
#endif
#define SLOTS 3      /* what a pipe or the intake holds */

#define BIT(i) (1 << (i))
#define HAS(set, i) (((set) >> (i)) & 1)
#define UP_TO(i) ((BIT((i) + 1) - 1) & ~1)

mtype = { SUBMIT, STORED, REFUSED, NOT_TAKEN, OUTCOME, OUTCOME_ACK, DELIVER, GAP, ACK };

/* --- what is on the relay's disk ---------------------------------------------------------------------------------- */
byte floor, refused;                      /* the ledger: all up to floor has an outcome; which of these were refused */
byte last;                                /* the highest sequence given */
byte submission_of[NUMBERS + 1];          /* of which submission a sequence is */
byte waiting, expired;                    /* sequences; what is neither, up to last, was acknowledged */
byte outcomes, outcome_floor;             /* the outcome lane: numbers given, and acknowledged */
byte outcome_of[NUMBERS + 1];
byte sender_generation, recipient_generation;

/* --- what is in its memory ---------------------------------------------------------------------------------------- */
chan intake = [SLOTS] of { mtype, byte, byte };    /* what, of which generation, number or set */
bool sender_up, recipient_up;
byte cursor, page, page_end;              /* delivered up to; rows that were read, and up to where */
byte outcome_cursor;

/* --- the pipes, emptied when they end ----------------------------------------------------------------------------- */
chan to_relay = [WINDOW] of { byte };
chan outcome_acks = [1] of { byte };
chan to_sender = [SLOTS] of { mtype, byte };
chan to_recipient = [2] of { mtype, byte };
chan acks = [1] of { byte };

/* --- the devices: what they keep, then what a connection has ------------------------------------------------------ */
byte told_stored, told_refused;           /* submissions that have their answer */
byte outcomes_kept, heard;                /* outcomes up to here; submissions that one was heard of */
byte to_send = 1;                         /* what is sent next on this connection */
byte outcome_said;
byte kept, gone;                          /* sequences that are in the inbox, and that a GAP explained */
byte opening, seen, said;                 /* delivered and not opened; delivered or explained; acknowledged */

/* --- what nobody knows but the judge ------------------------------------------------------------------------------ */
byte stored, given;                       /* submissions that were ever stored; sequences that were ever given */
byte sent[NUMBERS + 1];
byte troubles, recipient_ends;            /* of both ends of the recipient's connection */

/* Scratch of one step, 0 between steps so that it makes no states. */
byte i, n, set, generation;
mtype what;

inline scratch() { i = 0; n = 0; set = 0; generation = 0; what = 0 }

#define ANSWERED (told_stored | told_refused)
#define IN_WINDOW(number) ((number) <= WINDOW || (ANSWERED & UP_TO((number) - WINDOW)) == UP_TO((number) - WINDOW))
#define TROUBLE (troubles < TROUBLES)

inline lowest_after(of_set) {             /* n: how far of_set goes from 1 without a hole */
	n = 0;
	do
	:: n < NUMBERS && HAS(of_set, n + 1) -> n++
	:: else -> break
	od
}

inline drain_sender() {
	sender_up = false; to_send = 0; outcome_said = 0; outcome_cursor = 0;
	do :: len(to_relay) -> to_relay?_ :: else -> break od;
	do :: len(outcome_acks) -> outcome_acks?_ :: else -> break od;
	do :: len(to_sender) -> to_sender?_, _ :: else -> break od
}

inline drain_recipient() {
	recipient_up = false; cursor = 0; page = 0; page_end = 0; opening = 0; seen = 0; said = 0;
	do :: len(to_recipient) -> to_recipient?_, _ :: else -> break od;
	do :: len(acks) -> acks?_ :: else -> break od
}

inline reply(about, number) {             /* after the commit, to the connection that asked, if it is there */
	if
	:: sender_up && generation == sender_generation -> to_sender!about(number)
	:: else
	fi
}

#ifdef BUG_OUTCOME_APART
byte owed;                                /* rows that are gone and whose outcome is to be queued */
#define CLOSABLE (waiting | owed)
#else
#define CLOSABLE waiting
#endif

inline close(sequence) {                  /* a row goes, and its outcome is queued: one commit */
	waiting = waiting & ~BIT(sequence);
#ifdef BUG_OUTCOME_APART
	owed = owed & ~BIT(sequence);
#endif
	outcomes++;
	outcome_of[outcomes] = submission_of[sequence];
#ifndef BUG_PAGE_IS_BELIEVED
	page = page & ~BIT(sequence)
#endif
}

inline acknowledge(of_set) {
	i = 1;
	do
	:: i <= last && HAS(of_set & CLOSABLE, i) -> close(i); i++
	:: i <= last && !HAS(of_set & CLOSABLE, i) -> i++
	:: i > last -> break
	od
}

inline store(number) {                    /* spec 50 section 2, a new number */
	if
	:: last++;
	   assert(!HAS(given, last));              /* 2: a sequence is given once */
	   assert(!HAS(stored, number));           /* 6: k submissions of one number, one envelope */
	   assert(last == 1 || submission_of[last - 1] < number);  /* 7: first in, first out */
	   given = given | BIT(last); stored = stored | BIT(number);
	   submission_of[last] = number; waiting = waiting | BIT(last);
	   floor = number;
	   reply(STORED, number)
	:: TROUBLE -> troubles++;
#ifndef BUG_REFUSAL_IS_FORGOTTEN
	   refused = refused | BIT(number);
#endif
	   floor = number;
	   reply(REFUSED, number)
	fi
}

inline judge_submission(number) {
	if
#ifdef BUG_FLOOR_PAST_NOT_TAKEN
	:: number > floor -> store(number)
#else
	:: number == floor + 1 -> store(number)
	:: number > floor + 1 ->
	   assert(number <= floor + WINDOW);       /* TOO_FAR is for devices that break the protocol */
	   reply(NOT_TAKEN, number)                /* GO_BACK */
#endif
	:: number <= floor && HAS(refused, number) -> reply(REFUSED, number)
	:: number <= floor && !HAS(refused, number) ->
	   assert(number + WINDOW > floor);        /* TOO_OLD is for devices that were rolled back */
	   reply(STORED, number)
	fi
}

/* --- the sending device ------------------------------------------------------------------------------------------- */
active proctype sender() {
end:	do
	:: atomic { !sender_up ->                  /* HELLO and WELCOME; the login is a commit */
		sender_generation++; sender_up = true;
		assert(floor <= NUMBERS);
		if
		:: outcomes_kept > outcome_floor -> outcome_floor = outcomes_kept
		:: else
		fi;
		outcome_cursor = outcomes_kept; outcome_said = outcomes_kept;
		lowest_after(ANSWERED); to_send = n + 1
	   }
	:: atomic { sender_up && to_send <= NUMBERS && HAS(ANSWERED, to_send) -> to_send++ }
	:: atomic { sender_up && to_send <= NUMBERS && !HAS(ANSWERED, to_send) && IN_WINDOW(to_send) && nfull(to_relay) ->
		to_relay!to_send; to_send++
	   }
	:: atomic { sender_up && outcome_said < outcomes_kept && nfull(outcome_acks) ->
		outcome_acks!outcomes_kept; outcome_said = outcomes_kept
	   }
	:: atomic { to_sender?what, n ->
		if
		:: what == NOT_TAKEN ->
			if
#ifndef BUG_NOT_TAKEN_IS_AN_END
			:: n < to_send && !HAS(ANSWERED, n) -> to_send = n
#endif
			:: else
			fi
		:: what == STORED ->
			assert(HAS(stored, n));            /* 20: told STORED for what is stored; 1 begins here */
			assert(!HAS(told_refused, n));
			told_stored = told_stored | BIT(n)
		:: what == REFUSED ->
			assert(!HAS(stored, n));           /* 11 */
			assert(!HAS(told_stored, n));
			told_refused = told_refused | BIT(n)
		:: what == OUTCOME ->
			assert(n <= outcomes);             /* 3, of the outcome lane: it is on disk */
			if
			:: n > outcomes_kept ->
				assert(n == outcomes_kept + 1);        /* 8 */
				assert(!HAS(heard, outcome_of[n]));    /* 19: once */
				heard = heard | BIT(outcome_of[n]); outcomes_kept = n
			:: else
			fi
		fi;
		scratch()
	   }
	od
}

/* --- the receiving device ----------------------------------------------------------------------------------------- */
active proctype recipient() {
end:	do
	:: atomic { !recipient_up ->               /* HELLO's floor acknowledges */
		recipient_generation++; recipient_up = true;
		lowest_after(kept | gone); set = UP_TO(n);
		cursor = n; page_end = n; seen = set; said = set;
		acknowledge(set);
		scratch()
	   }
	:: atomic { to_recipient?what, n ->
		seen = seen | BIT(n);
		if
		:: what == DELIVER && !HAS(kept, n) -> opening = opening | BIT(n)
		:: what == DELIVER && HAS(kept, n)     /* known by its commitment: shown once */
		:: what == GAP && !HAS(kept, n) -> gone = gone | BIT(n)
		:: what == GAP && HAS(kept, n)
		fi;
		scratch()
	   }
	:: atomic { HAS(opening, 1) -> opening = opening & ~BIT(1); kept = kept | BIT(1) }
	:: atomic { HAS(opening, 2) -> opening = opening & ~BIT(2); kept = kept | BIT(2) }
#if NUMBERS > 2
	:: atomic { HAS(opening, 3) -> opening = opening & ~BIT(3); kept = kept | BIT(3) }
#endif
#if NUMBERS > 3
	:: atomic { HAS(opening, 4) -> opening = opening & ~BIT(4); kept = kept | BIT(4) }
#endif
	:: atomic { recipient_up && ((kept | gone) & seen & ~said) && nfull(acks) ->
		said = said | ((kept | gone) & seen);
		acks!said
	   }
	od
}

/* --- the relay: connections --------------------------------------------------------------------------------------- */
active proctype connections() {
end:	do
	:: atomic { len(to_relay) && nfull(intake) ->
		to_relay?n;
#ifdef BUG_REPLY_BEFORE_COMMIT
		if
		:: nfull(to_sender) -> to_sender!STORED(n)
		:: full(to_sender)
		fi;
#endif
#ifdef BUG_DELIVERY_BEFORE_COMMIT
		if
		:: recipient_up && page_end == last && last < NUMBERS -> page_end = last + 1; page = page | BIT(last + 1)
		:: else
		fi;
#endif
		intake!SUBMIT(sender_generation, n);
		scratch()
	   }
	:: atomic { len(to_relay) && TROUBLE && nfull(to_sender) ->
#ifndef BUG_BUSY_WITHOUT_END
		troubles++;
#endif
		to_relay?n; to_sender!NOT_TAKEN(n);
		scratch()
	   }
	:: atomic { len(outcome_acks) && nfull(intake) ->
		outcome_acks?n; intake!OUTCOME_ACK(sender_generation, n);
		scratch()
	   }
	:: atomic { len(acks) && nfull(intake) ->
		acks?set;
		assert(set < BIT(cursor + 1));             /* BAD_ACK is for devices that break the protocol */
#ifdef BUG_ACK_BEFORE_COMMIT
		if
		:: sender_up && outcomes < NUMBERS && (set & waiting) && nfull(to_sender) -> to_sender!OUTCOME(outcomes + 1)
		:: !sender_up || outcomes == NUMBERS || !(set & waiting) || full(to_sender)
		fi;
#endif
#ifdef BUG_OUTCOME_APART
		owed = owed | (set & waiting); waiting = waiting & ~set; page = page & ~set;   /* a commit of its own */
#endif
		intake!ACK(recipient_generation, set);
		scratch()
	   }
	od
}

/* --- the relay: commits ------------------------------------------------------------------------------------------- */
active proctype writer() {
end:	do
	:: atomic { len(intake) && len(to_sender) + len(intake) <= SLOTS ->   /* room for the answers: nobody waits inside */
		do
		:: len(intake) -> intake?what, generation, n;
			if
#ifndef BUG_SUPERSEDED_WORK
			:: what == ACK && generation != recipient_generation
			:: what != ACK && generation != sender_generation
			:: what == ACK && generation == recipient_generation -> set = n; acknowledge(set)
			:: what == SUBMIT && generation == sender_generation -> judge_submission(n)
			:: what == OUTCOME_ACK && generation == sender_generation && n > outcome_floor -> outcome_floor = n
			:: what == OUTCOME_ACK && generation == sender_generation && n <= outcome_floor
#else
			/* the row goes, and whoever listens now does not hear of it: it was another connection's */
			:: what == ACK && generation != recipient_generation -> set = page; acknowledge(n); page = set
			:: what == ACK && generation == recipient_generation -> set = n; acknowledge(set)
			:: what == SUBMIT -> judge_submission(n)
			:: what == OUTCOME_ACK && n > outcome_floor -> outcome_floor = n
			:: what == OUTCOME_ACK && n <= outcome_floor
#endif
			fi
		:: else -> break
		od;
		scratch()
	   }
	:: atomic { TROUBLE && len(intake) && len(to_sender) + len(intake) <= SLOTS ->   /* a commit that fails */
		troubles++; i = len(intake);
		do
		:: i > 0 -> i--; intake?what, generation, n;
			if
			:: what == ACK -> intake!ACK(generation, n)          /* put back: the device does not say it again */
			:: what == OUTCOME_ACK -> intake!OUTCOME_ACK(generation, n)
			:: what == SUBMIT -> reply(NOT_TAKEN, n)
			fi
		:: else -> break
		od;
		scratch()
	   }
	:: atomic { TROUBLE && HAS(waiting, 1) -> troubles++; expired = expired | BIT(1); close(1) }
	:: atomic { TROUBLE && HAS(waiting, 2) -> troubles++; expired = expired | BIT(2); close(2) }
#if NUMBERS > 2
	:: atomic { TROUBLE && HAS(waiting, 3) -> troubles++; expired = expired | BIT(3); close(3) }
#endif
#if NUMBERS > 3
	:: atomic { TROUBLE && HAS(waiting, 4) -> troubles++; expired = expired | BIT(4); close(4) }
#endif
	od
}

/* --- the relay: the pump ------------------------------------------------------------------------------------------ */
active proctype pump() {
end:	do
	:: atomic { recipient_up && cursor == page_end && page_end < last ->
		page_end = last; page = waiting & ~UP_TO(cursor)
	   }
	:: atomic { recipient_up && cursor < page_end && HAS(page, cursor + 1) && nfull(to_recipient) ->
		cursor++;
		assert(HAS(waiting, cursor));              /* 3, 4 and 12: committed, not acknowledged, not expired */
		sent[cursor]++;
		assert(sent[cursor] <= 1 + recipient_ends);   /* 5 */
#ifdef BUG_DELIVERED_IS_DONE
		close(cursor);
#endif
		page = page & ~BIT(cursor);
		to_recipient!DELIVER(cursor);
		scratch()
	   }
	:: atomic { recipient_up && cursor < page_end && !HAS(page, cursor + 1) && nfull(to_recipient) ->
		cursor++;
		assert(!HAS(waiting, cursor));             /* 1 and 8: a hole is a hole */
#ifndef BUG_HOLE_IS_SILENT
		to_recipient!GAP(cursor)
#endif
	   }
	:: atomic { sender_up && outcome_cursor < outcomes && nfull(to_sender) ->
		outcome_cursor++;
		assert(outcome_cursor > outcome_floor);    /* 4, of the outcome lane */
		to_sender!OUTCOME(outcome_cursor)
	   }
	od
}

/* --- what goes wrong ---------------------------------------------------------------------------------------------- */
active proctype world() {
end:	do
	:: atomic { sender_up && TROUBLE -> troubles++; drain_sender() }
	:: atomic { recipient_up && TROUBLE -> troubles++; recipient_ends++; drain_recipient() }
	:: atomic { TROUBLE && (sender_up || recipient_up || len(intake)) ->
		troubles++;
		recipient_ends = recipient_ends + recipient_up;
		drain_sender(); drain_recipient();
		do :: len(intake) -> intake?_, _, _ :: else -> break od;
#ifdef BUG_OUTCOME_APART
		owed = 0;
#endif
#ifdef BUG_LEDGER_IN_MEMORY
		floor = 0; refused = 0;
#endif
#ifdef BUG_LEDGER_LATER
		if
		:: floor > 0 -> floor--                    /* the row was committed, the ledger would have been next */
		:: true
		fi;
#endif
#ifdef BUG_SEQUENCE_FROM_ROWS
		do :: last > 0 && !HAS(waiting, last) -> last-- :: else -> break od;
#endif
	   }
	od
}

/* --- where nothing more can happen -------------------------------------------------------------------------------- */
active proctype judge() {
	atomic { timeout ->
		assert(ANSWERED == UP_TO(NUMBERS));        /* nobody waits for an answer */
		assert(told_stored == stored);
		assert(waiting == 0);
		lowest_after(kept | gone);
		assert(n == last);                         /* 8: every number is delivered or explained */
		assert((UP_TO(last) & ~kept & ~expired) == 0);   /* 1: accepted is in the inbox, or expired */
		assert(outcomes == last && outcomes_kept == last && outcome_floor == last);
		assert(heard == stored)                    /* 19: and every outcome was heard */
	}
}
