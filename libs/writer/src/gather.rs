//! How long jobs may gather before the next round. A round costs the same for one event as for some, here and at every peer that hears of
//! it: where centrals share a load, fewer and larger ones leave more of the machine, and what waits is done sooner. A quiet central never
//! waits, nor does one that hears nothing from others.

use std::time::Duration;

/// A round of so many jobs (commands and live messages) found a queue.
const QUEUE: usize = 3;
/// A command waits at most so long for others, once the round before it is over.
const COMMAND: Duration = Duration::from_millis(20);
/// A live event waits at most so long.
const LIVE: Duration = Duration::from_millis(40);

/// Times from the end of a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gather {
    /// When the next round may begin that has a command in it.
    pub command: Duration,
    /// When it may begin with live events alone.
    pub live: Duration,
}

impl Gather {
    /// After a round of so many commands and live messages that took so long. Commands wait as long as the round took, as if they had come
    /// at its beginning; live events twice as long.
    pub fn after(commands: usize, live: usize, took: Duration) -> Self {
        if live == 0 || commands + live < QUEUE {
            return Self::default();
        }
        Self { command: took.min(COMMAND), live: (took * 2).min(LIVE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_follows_a_queue_gathers_and_never_for_long() {
        let ms = Duration::from_millis;
        for (commands, live, took, command_waits, live_waits) in [
            (0, 1, ms(30), 0, 0),
            (1, 1, ms(5_000), 0, 0),
            (64, 0, ms(15), 0, 0),
            (2, 1, ms(4), 4, 8),
            (0, 64, ms(15), 15, 30),
            (64, 512, ms(5_000), 20, 40),
        ] {
            let wanted = Gather { command: ms(command_waits), live: ms(live_waits) };
            assert_eq!(Gather::after(commands, live, took), wanted, "{commands} + {live} in {took:?}");
        }
    }
}
