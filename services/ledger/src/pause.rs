//! The pause after a round that found a queue ([`Gather`]): more gathers for the next one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::writer::Gather;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// So long after such a round the next one may find a queue, too; longer than a round takes where two cores are too few for ten centrals.
const LATELY: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pause(Mutex<Option<(Instant, Gather)>>);

impl Pause {
    /// A round of so many commands and live messages is over; it took so long. One without any (time-outs) says nothing about the load.
    pub(crate) fn begin(&self, commands: usize, live: usize, took: Duration) {
        if commands + live > 0 {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Instant::now(), Gather::after(commands, live, took)));
        }
    }

    fn last(&self) -> Option<(Instant, Gather)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True while rounds find queues.
    pub(crate) fn is_lately(&self) -> bool {
        self.last().is_some_and(|(ended, g)| g != Gather::default() && ended.elapsed() < LATELY)
    }

    /// Waits while jobs gather. `bell` rings for each that comes, `waiting` counts them: commands, live messages, catch-up pages. Beside a page
    /// nobody waits: the writer has something to do.
    pub(crate) async fn over(&self, bell: &Notify, waiting: impl Fn() -> [usize; 3]) {
        let Some((ended, gather)) = self.last() else { return };
        loop {
            let [commands, _, pages] = waiting();
            let until = if commands > 0 { gather.command } else { gather.live };
            let left = until.saturating_sub(ended.elapsed());
            if pages > 0 || left.is_zero() {
                return;
            }
            let early = gather.command.saturating_sub(ended.elapsed());
            if early.is_zero() {
                // What rings may be a command.
                drop(timeout(left, bell.notified()).await);
            } else {
                sleep(early).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const TOOK: Duration = Duration::from_millis(15);

    /// True when nobody waits at all: over at the first look.
    async fn is_over(pause: &Pause, waiting: [usize; 3]) -> bool {
        let bell = Notify::new();
        tokio::select! {
            biased;
            () = pause.over(&bell, || waiting) => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn a_command_waits_as_long_as_the_round_took_and_live_events_twice_as_long() {
        let pause = Pause::default();
        assert!(is_over(&pause, [0, 1, 0]).await, "nothing was done yet");
        for (waiting, least) in [([1, 5, 0], TOOK), ([0, 5, 0], 2 * TOOK)] {
            let before = Instant::now();
            pause.begin(0, 3, TOOK);
            assert!(pause.is_lately());
            pause.over(&Notify::new(), || waiting).await;
            // Timers are late on a busy machine, never early.
            assert!(before.elapsed() >= least, "{waiting:?}: {:?}", before.elapsed());
        }
    }

    #[tokio::test]
    async fn nobody_waits_at_a_quiet_or_lonely_central_nor_while_a_page_is_there() {
        let pause = Pause::default();
        let long = Duration::from_secs(60);
        for (commands, live) in [(0, 1), (64, 0)] {
            pause.begin(commands, live, long);
            assert!(!pause.is_lately());
            assert!(is_over(&pause, [0, 1, 0]).await);
        }
        pause.begin(1, 2, long);
        pause.begin(0, 0, long);
        assert!(pause.is_lately(), "time-outs are no sign that it is quiet");
        assert!(is_over(&pause, [0, 1, 1]).await);
    }

    #[tokio::test]
    async fn a_command_that_comes_in_the_second_half_is_served_at_once() {
        // On a busy machine the timer itself may come after the pause: once in time is enough.
        let mut in_time = false;
        for _ in 0..20 {
            let (pause, bell, commands) = (Pause::default(), Notify::new(), AtomicUsize::new(0));
            // 20 ms for commands, 40 for live events.
            let begun = Instant::now();
            pause.begin(0, 9, Duration::from_secs(1));
            let come = async {
                sleep(Duration::from_millis(24)).await;
                commands.store(1, Ordering::Relaxed);
                bell.notify_one();
            };
            tokio::join!(come, pause.over(&bell, || [commands.load(Ordering::Relaxed), 1, 0]));
            in_time = begun.elapsed() < Duration::from_millis(38);
            if in_time {
                break;
            }
        }
        assert!(in_time, "the command waited for the end of the pause, twenty times");
    }
}
