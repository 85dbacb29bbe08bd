/* SPDX-License-Identifier: MIT */
/*
 * Semaphores, and events that reset themselves, which are semaphores of at most one: segfs_post(), segfs_wait().
 * The word is the count times 2; bit 0 says that somebody may sleep. Any process may die. No waiter sleeps for
 * ever beside a count, and the count is what was added less what was taken.
 */
#define PROCESSES 4 /* two wait, two post */
#include "futex.pml"

byte word;
byte added;
byte taken;

proctype waiter(byte me)
{
	byte old;
	bool done;

	{
		do
		:: done -> break
		:: else ->
			old = word;
			if
			:: old / 2 > 0 ->
				d_step {
					if
					:: word == old -> word = old - 2; taken++; done = true
					:: else -> skip
					fi
				}
			:: else ->
				d_step {
					if
					:: word == old -> word = old | 1; old = old | 1
					:: else -> old = 255 /* look again */
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

proctype poster(byte me)
{
	byte old;
	bool done;

	{
		do
		:: done -> break
		:: else ->
			old = word;
			d_step {
				if
				:: word == old -> word = old + 2; added++; done = true
				:: else -> skip
				fi
			}
		od;
		old = old + 2;
		if
		:: old & 1 ->
			atomic { wake_one(1); done = woken > 0 };
			if
			:: !done ->
				d_step {
					if
#ifdef WRONG /* removes the bit of who has come meanwhile */
					:: true -> word = word & 254
#else
					:: word == old -> word = old & 254
#endif
					:: else -> skip
					fi
				}
			:: else -> skip
			fi
		:: else -> skip
		fi
	} unless { dead[me] }
}

init {
	atomic {
		run waiter(0);
		run waiter(1);
		run poster(2);
		run poster(3);
		run killer(4)
	}
	if
	:: _nr_pr == 1 -> skip
	:: dead[2] || dead[3] ->
		/* a poster died before it posted: the test posts in its place */
		if
		:: _nr_pr == 1 -> skip
		:: timeout ->
			atomic {
				assert(word / 2 == 0);
				word = word + 2;
				added++;
				wake_one(1)
			};
			_nr_pr == 1
		fi
	fi;
	assert(word / 2 == added - taken)
}
