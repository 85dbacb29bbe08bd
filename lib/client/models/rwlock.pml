/* SPDX-License-Identifier: MIT */
/*
 * Reader-writer locks (rwlock.c): a reader and two writers or, with TWO_READERS, two readers, each with a word
 * of its own, and a writer. Any process may die, at any step. Nobody reads or writes beside a writer; who finds
 * what a dead writer has left is told, and nobody else is; nobody sleeps for ever.
 * That a reader's entry stays in its list while it does not read (kept.h) is left out: the kernel leaves a word
 * with another id, or none, alone.
 */
#define PROCESSES 4 /* 0 and 1 read, 2 and 3 write */
#include "futex.pml"

#define THREAD     7 /* who holds the word: the number of the process, plus 1 */
#define WAITERS    8
#define OWNER_DIED 16

#define BIT_OF_LOCK   4 /* in the sets of words for which a process sleeps; those of readers are 1 and 2 */

byte word;      /* of the writers */
byte pages[2];  /* the words of the readers */
bool writing;   /* MARK_WRITING */
bool abandoned; /* MARK_ABANDONED */
bool pending[PROCESSES];
bool linked[PROCESSES];
byte readers;
byte writers;
bool changing; /* what it protects is half changed */
byte sleeper;

/* The kernel releases a word of a dead process. */
inline end_of(me, its_word, word_bit)
{
	if
	:: (linked[me] || pending[me]) && (its_word & THREAD) == me + 1 ->
		its_word = (its_word & WAITERS) | OWNER_DIED;
		if
		:: its_word & WAITERS -> wake_one(word_bit)
		:: else -> skip
		fi
	:: pending[me] && (its_word & THREAD) == 0 -> wake_one(word_bit)
	:: else -> skip
	fi
}

inline take(me, its_word, old, keep, holds)
{
	pending[me] = true;
	d_step {
		if
		:: its_word == old -> its_word = old | keep | (me + 1); holds = true
		:: else -> skip
		fi
	}
	if
	:: holds -> linked[me] = true
	:: else -> skip
	fi;
	pending[me] = false
}

inline release(me, its_word, word_bit, old, holds)
{
	pending[me] = true;
	linked[me] = false;
	do
	:: holds ->
		old = its_word;
		d_step {
			if
			:: its_word == old -> its_word = 0; holds = false
			:: else -> skip
			fi
		}
	:: else -> break
	od;
	if
	:: old & WAITERS -> d_step { wake_all(word_bit) }
	:: else -> skip
	fi;
	pending[me] = false
}

inline announce(its_word, old)
{
	d_step {
		if
		:: its_word == old -> its_word = old | WAITERS
		:: else -> skip
		fi;
		old = old | WAITERS
	}
}

proctype reader(byte me)
{
	byte old;
	byte lock;
	bool holds;
	bool reads;

	{
		do
		:: reads -> break
		:: else ->
			old = pages[me];
			take(me, pages[me], old, 0, holds);
			assert(holds || (old & THREAD) == 0);
			if
			:: holds && old & OWNER_DIED -> d_step { pages[me] = pages[me] & (255 - OWNER_DIED) }
			:: else -> skip
			fi;
			if
			:: holds ->
				atomic {
					lock = word;
					if
					:: (lock & THREAD) == 0 -> reads = true; readers++
					:: else -> skip
					fi
				}
				if
				:: !reads ->
					release(me, pages[me], 1 << me, old, holds);
					announce(word, lock);
					sleep_if(me, BIT_OF_LOCK, word == lock)
				:: else -> skip
				fi
			:: else -> skip
			fi
		od;
		assert(writers == 0);
		assert(!changing || abandoned || (lock & OWNER_DIED && writing));
		if
		:: lock & OWNER_DIED && lock & WAITERS ->
			d_step {
				if
				:: word == lock -> word = lock & (255 - WAITERS); wake_all(BIT_OF_LOCK)
				:: else -> skip
				fi
			}
		:: else -> skip
		fi;
		atomic { readers--; reads = false };
		release(me, pages[me], 1 << me, old, holds)
	} unless { dead[me] };
	atomic {
		asleep[me] = 0;
		if
		:: dead[me] ->
			if
			:: reads -> readers--
			:: else -> skip
			fi;
			end_of(me, pages[me], 1 << me)
		:: else -> skip
		fi
	}
}

proctype writer(byte me)
{
	byte old;
	byte page;
	byte keep;
	byte i;
	bool holds;
	bool writes;

	{
		do
		:: holds -> break
		:: else ->
			old = word;
			if
			:: (old & THREAD) == 0 -> take(me, word, old, keep, holds)
			:: else ->
				announce(word, old);
				sleep_if(me, BIT_OF_LOCK, word == old);
				keep = WAITERS
			fi
		od;
		if
		:: old & OWNER_DIED ->
			if
			:: writing -> abandoned = true
			:: else -> skip
			fi;
			writing = false;
			d_step { word = word & (255 - OWNER_DIED) }
		:: else -> skip
		fi;
#ifndef WRONG /* it does not wait for readers */
		for (i : 0 .. 1) {
			do
			:: (pages[i] & THREAD) == 0 -> break
			:: else ->
				page = pages[i];
				if
				:: page & THREAD ->
					announce(pages[i], page);
					sleep_if(me, 1 << i, pages[i] == page)
				:: else -> skip
				fi
			od
		}
#endif
		skip;
		d_step { writing = true; writers++; writes = true };
		assert(writers == 1 && readers == 0);
		assert(!changing || abandoned);
		assert(!abandoned || changing);
		d_step { abandoned = false; changing = false };
		changing = true;
		changing = false;
		d_step { writing = false; writers--; writes = false };
		release(me, word, BIT_OF_LOCK, old, holds)
	} unless { dead[me] };
	atomic {
		asleep[me] = 0;
		if
		:: dead[me] ->
			if
			:: writes -> writers--; changing = true /* at the latest then */
			:: else -> skip
			fi;
			end_of(me, word, BIT_OF_LOCK)
		:: else -> skip
		fi
	}
}

init {
	atomic {
		run reader(0);
#ifdef TWO_READERS
		run reader(1);
#else
		run writer(3);
#endif
		run writer(2);
		run killer(4)
	};
	_nr_pr == 1;
	assert(readers == 0 && writers == 0 && (word & THREAD) == 0)
}
