//! The pause after a round that found a queue ([`Gather`]): more gathers for the next one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::writer::Gather;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// So long after such a round the next one may find a queue, too.
const LATELY: Duration = Duration::from_millis(200);

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

    async fn waited(pause: &Pause, waiting: [usize; 3]) -> Duration {
        let began = Instant::now();
        pause.over(&Notify::new(), || waiting).await;
        began.elapsed()
    }

    #[tokio::test]
    async fn a_command_waits_as_long_as_the_round_took_and_live_events_twice_as_long() {
        let pause = Pause::default();
        assert!(waited(&pause, [0, 1, 0]).await < TOOK, "nothing was done yet");
        for (waiting, least) in [([1, 5, 0], TOOK), ([0, 5, 0], 2 * TOOK)] {
            pause.begin(0, 3, TOOK);
            assert!(pause.is_lately());
            let waited = waited(&pause, waiting).await;
            // Timers are late on a busy machine, never early.
            assert!(waited >= least - Duration::from_millis(2), "{waiting:?}: {waited:?}");
            assert!(waited < Duration::from_secs(1), "{waiting:?}: {waited:?}");
        }
    }

    #[tokio::test]
    async fn nobody_waits_at_a_quiet_or_lonely_central_nor_while_a_page_is_there() {
        let pause = Pause::default();
        let long = Duration::from_secs(60);
        for (commands, live) in [(0, 1), (64, 0)] {
            pause.begin(commands, live, long);
            assert!(!pause.is_lately());
            assert!(waited(&pause, [0, 1, 0]).await < TOOK);
        }
        pause.begin(1, 2, long);
        pause.begin(0, 0, long);
        assert!(pause.is_lately(), "time-outs are no sign that it is quiet");
        assert!(waited(&pause, [0, 1, 1]).await < TOOK);
    }

    #[tokio::test]
    async fn a_command_that_comes_in_the_second_half_is_served_at_once() {
        let (pause, bell, commands) = (Pause::default(), Notify::new(), AtomicUsize::new(0));
        // 20 ms for commands, 40 for live events.
        pause.begin(0, 9, Duration::from_secs(1));
        let began = Instant::now();
        let come = async {
            sleep(Duration::from_millis(24)).await;
            commands.store(1, Ordering::Relaxed);
            bell.notify_one();
            Instant::now()
        };
        let over = async {
            pause.over(&bell, || [commands.load(Ordering::Relaxed), 1, 0]).await;
            Instant::now()
        };
        let (come, over) = tokio::join!(come, over);
        // On a machine so busy that the timer itself came after the pause, there is nothing to see.
        let late = come - began > Duration::from_millis(36);
        assert!(
            late || over.saturating_duration_since(come) < Duration::from_millis(10),
            "{:?}",
            over - come
        );
        assert!(late || over >= come, "before the command: {:?}", come - over);
    }
}
