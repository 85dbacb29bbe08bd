/* SPDX-License-Identifier: MIT */
/*
 * Events that stay set until they are reset, and that release all who wait: segfs_set_event(), segfs_wait(),
 * segfs_reset_event(). Two wait, two set, one resets before that. Any may die; one of those who set lives.
 */
#define PROCESSES 4 /* two wait, two set */
#include "futex.pml"

byte word; /* bit 0: somebody may sleep; bit 1: it is set */
byte sleeper;

proctype waiter(byte me)
{
	byte old;

	{
		do
		:: old = word;
			if
			:: old & 2 -> break
			:: else ->
				d_step {
					if
					:: word == old -> word = old | 1; old = old | 1
					:: else -> old = 255
					fi
				}
				if
				:: old != 255 -> sleep_if(me, 1, word == old)
				:: else -> skip
				fi
			fi
		od
	} unless { dead[me] };
	asleep[me] = 0
}

proctype setter(byte me)
{
	byte value;

	{
		d_step { value = word | 2; word = value };
#ifdef WRONG /* who has set it may have died before he woke anybody; so did the one who sleeps now */
		if
		:: value & 1 -> atomic { wake_one(1) }
#else
		if
		:: value & 1 ->
			d_step {
				wake_all(1);
				if
				:: woken == 0 && word == value -> word = value & 254
				:: else -> skip
				fi
			}
#endif
		:: else -> skip
		fi
	} unless { dead[me] }
}

init {
	atomic {
		run waiter(0);
		run waiter(1);
		run setter(2);
		run setter(3);
		run killer(3)
	};
	d_step { word = word & 1 }; /* a reset, at any time; the model sets again after it */
	run setter(3);
	_nr_pr == 1;
	assert(word & 2)
}
