/* SPDX-License-Identifier: MIT */
/*
 * segfs_ring() and segfs_wait() for a doorbell; conditions work alike. A waiter does not change the count: it may
 * have seen a ring, and sleep again, before the ringer has ended. One rings, one waits for each ring. Nobody
 * dies, since a death lets all look again.
 */
#define PROCESSES 2 /* 0 waits, 1 rings */
#include "futex.pml"

#define RINGS 3

byte word; /* rings times 2; bit 0: somebody may sleep */
byte sleeper;
byte seen; /* by the one who waits: rings */

active proctype waiter()
{
	byte value;

	do
	:: seen == RINGS -> break
	:: else ->
		value = word;
		if
		:: value / 2 != seen -> seen = value / 2
		:: else ->
			d_step {
				if
				:: word == value -> word = value | 1; value = value | 1
				:: else -> value = 255
				fi
			}
			if
			:: value != 255 -> sleep_if(0, 1, word == value)
			:: else -> skip
			fi
		fi
	od
}

active proctype ringer()
{
	byte value;
	byte rung;
	bool cleared;
	bool slept;

	do
	:: rung == RINGS -> break
	:: else ->
		d_step { word = word + 2; value = word; rung++ };
		if
		:: value & 1 ->
			d_step { wake_all(1); slept = woken > 0 };
			if
			:: !slept ->
				d_step {
					cleared = word == value;
					if
					:: cleared -> word = value & 254
					:: else -> skip
					fi
				};
#ifndef WRONG /* one that has fallen asleep since misses the next ring */
				if
				:: cleared -> d_step { wake_all(1) }
				:: else -> skip
				fi
#endif
			:: else -> skip
			fi
		:: else -> skip
		fi
	od
}

init {
	timeout;
	/* nobody can go on: the one who waits has seen all */
	assert(seen == RINGS)
}
