/* SPDX-License-Identifier: MIT */
/*
 * segfs_wait_any(): a process waits for either of two semaphores, another for the first alone; a post comes
 * to each. Nobody dies, since a death lets all look again. A waiter that was woken for one semaphore and takes of
 * the other wakes the next one of the first, unless it has looked at that in vain since it slept. Nobody sleeps
 * for ever beside a count that he waits for; that some sleep in the end is right.
 */
#define PROCESSES 3 /* 0 waits for either, 1 for the first; 2 posts */
#include "futex.pml"

byte words[2]; /* counts times 2; bit 0: somebody may sleep */
byte taken;

/* One look at an object. Takes what is there; otherwise sets bit 0, and `value` is that of the word. */
inline try(i, old, value, done)
{
	value = 255;
	do
	:: done || value != 255 -> break
	:: else ->
		old = words[i];
		d_step {
			if
			:: words[i] != old -> skip
			:: words[i] == old && old / 2 > 0 -> words[i] = old - 2; taken++; done = true
			:: else -> words[i] = old | 1; value = old | 1
			fi
		}
	od
}

proctype waiter(byte me; byte first; byte last)
{
	byte values[2];
	byte old;
	byte i;
	byte from;
	bool done;
	bool slept;

	{
		do
		:: done -> break
		:: else ->
			/* in their order, which differs */
			for (i : 0 .. last) {
				if
				:: !done ->
					from = (i + first) & 1;
					try(from, old, values[from], done)
				:: else -> skip
				fi
			}
			if
			:: !done && last == 1 ->
				sleep_if(me, 3, words[0] == values[0] && words[1] == values[1]);
				slept = true
			:: !done && last == 0 -> sleep_if(me, 1, words[0] == values[0])
			:: else -> skip
			fi
		od;
#ifndef WRONG /* does not pass on what it was woken for */
		if
		/* the one before had nothing after the sleep */
		:: slept && from == first && words[1 - from] / 2 > 0 -> atomic { wake_one(2 - from) }
		:: else -> skip
		fi
#endif
	} unless { dead[me] };
	asleep[me] = 0
}

inline post(i)
{
	done = false;
	do
	:: done -> break
	:: else ->
		old = words[i];
		d_step {
			if
			:: words[i] == old -> words[i] = old + 2; done = true
			:: else -> skip
			fi
		}
	od;
	if
	:: old & 1 ->
		atomic { wake_one(1 << i); done = woken > 0 };
		if
		:: !done ->
			d_step {
				if
				:: words[i] == old + 2 -> words[i] = old + 1
				:: else -> skip
				fi
			}
		:: else -> skip
		fi
	:: else -> skip
	fi
}

proctype poster()
{
	byte old;
	bool done;

	bool last;

	if
	:: last = true
	:: last = false
	fi;
	if
	:: !last -> post(1)
	:: else -> skip
	fi;
	post(0);
	if
	:: last -> post(1)
	:: else -> skip
	fi
}

init {
	atomic {
		run waiter(0, 1, 1);
		run waiter(1, 0, 0);
		run poster()
	};
	timeout;
	/* nobody can go on: those who wait have nothing to take */
	assert(!asleep[0] || words[0] / 2 + words[1] / 2 == 0);
	assert(!asleep[1] || words[0] / 2 == 0);
	assert(words[0] / 2 + words[1] / 2 + taken == 2);
	/* so that they end, too */
	d_step {
		words[0] = words[0] + 6;
		asleep[0] = 0;
		asleep[1] = 0
	}
}
