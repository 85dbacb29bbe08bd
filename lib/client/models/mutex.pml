/* SPDX-License-Identifier: MIT */
/*
 * Mutexes: segfs_lock(), segfs_unlock(), and what the kernel does for a dead thread (robust.h). Any process may
 * die, at any step. At most one holds the mutex; who finds what a dead one has left half changed is told; who
 * is told can repair that; nobody sleeps for ever.
 */
#define PROCESSES 3
#include "futex.pml"

#define THREAD     7 /* who holds it: the number of the process, plus 1 */
#define WAITERS    8
#define OWNER_DIED 16

byte word;
bool pending[PROCESSES]; /* list_op_pending */
bool linked[PROCESSES];  /* the entry is in the list */
byte inside;             /* how many hold it */
bool changing;           /* what it protects is half changed */

proctype user(byte me)
{
	byte old;
	byte keep;
	bool holds;

	{
		do
		:: holds -> break
		:: else ->
			old = word;
			if
			:: (old & THREAD) == 0 ->
				pending[me] = true;
				d_step {
					if
					:: word == old ->
						word = old | keep | (me + 1);
						holds = true;
						inside++
					:: else -> skip
					fi
				}
				if
				:: holds -> linked[me] = true
				:: else -> skip
				fi;
				pending[me] = false
			:: else ->
				d_step {
					if
					:: word == old -> word = old | WAITERS
					:: else -> skip
					fi;
					old = old | WAITERS
				}
				sleep_if(me, 1, word == old);
#ifdef WRONG /* others may sleep as well, whose bit the unlock has removed */
				keep = 0
#else
				keep = WAITERS
#endif
			fi
		od;
		assert(inside == 1);
		assert(!changing || old & OWNER_DIED);
		if
		:: old & OWNER_DIED -> d_step { word = word & (255 - OWNER_DIED); changing = false }
		:: else -> skip
		fi;
		changing = true;
		changing = false;
		pending[me] = true;
		linked[me] = false;
		do
		:: holds ->
			old = word;
			d_step {
				if
				:: word == old -> word = old & OWNER_DIED; holds = false; inside--
				:: else -> skip
				fi
			}
		:: else -> break
		od;
		if
		:: old & WAITERS -> atomic { wake_one(1) }
		:: else -> skip
		fi;
		pending[me] = false
	} unless { dead[me] };
	/* the kernel, if it was killed */
	atomic {
		asleep[me] = 0;
		if
		:: dead[me] && (linked[me] || pending[me]) && (word & THREAD) == me + 1 ->
			word = (word & WAITERS) | OWNER_DIED;
			inside--;
			holds = false;
			if
			:: word & WAITERS -> wake_one(1)
			:: else -> skip
			fi
		:: dead[me] && pending[me] && (word & THREAD) == 0 -> wake_one(1)
		:: else -> skip
		fi
	};
	assert(!holds)
}

init {
	atomic {
		run user(0);
		run user(1);
		run user(2);
		run killer(3)
	};
	_nr_pr == 1;
	assert(inside == 0 && (word & THREAD) == 0)
}
