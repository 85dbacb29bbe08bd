/* SPDX-License-Identifier: MIT */
/*
 * What the models share: futexes and deaths. PROCESSES is defined before.
 *
 * A sleep ends without a wake-up only after a death, although a real one ends after a second at most: so a
 * wake-up that is lost without a death is a deadlock, which spin finds. One process may die, at any step.
 */
bool dead[PROCESSES];    /* it makes no more steps */
byte asleep[PROCESSES];  /* the set of words for which it sleeps, a bit each */
byte deaths;
byte woken;              /* by the last wake-up; read in the step that writes it */

/* Is in the queues of `words` while they have their values. */
inline sleep_if(me, words, as_seen)
{
	d_step {
		if
		:: as_seen -> asleep[me] = words
		:: else -> skip
		fi
	}
	if
	:: asleep[me] == 0 -> skip
	:: deaths > 0 -> asleep[me] = 0
	fi
}

/* Wakes one sleeper of a word, whichever. */
inline wake_one(word_bit)
{
	if
	:: asleep[0] & word_bit -> asleep[0] = 0; woken = 1
	:: asleep[1] & word_bit -> asleep[1] = 0; woken = 1
	:: asleep[2] & word_bit -> asleep[2] = 0; woken = 1
#if PROCESSES > 3
	:: asleep[3] & word_bit -> asleep[3] = 0; woken = 1
#endif
	:: else -> woken = 0
	fi
}

inline wake_all(word_bit)
{
	woken = 0;
	for (sleeper : 0 .. PROCESSES - 1) {
		if
		:: asleep[sleeper] & word_bit -> asleep[sleeper] = 0; woken++
		:: else -> skip
		fi
	}
	skip /* spin wants a step after a loop */
}

/* Kills one of the first `mortals` processes, or none. */
proctype killer(byte mortals)
{
	byte victim;

	if
	:: skip
	:: select (victim : 0 .. mortals - 1);
		atomic {
			dead[victim] = true;
			deaths++
		}
	fi
}
