//! One connection, as its limits see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use kit::HttpLimits;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Address;

/// See the module. Times are milliseconds since the connection began, plus one: 0 is "not".
#[derive(Debug)]
pub(crate) struct Seat {
    /// The other end.
    pub(crate) address: Address,
    /// Cancelled when the connection must go.
    pub(crate) end: CancellationToken,
    since: Instant,
    at_work: AtomicU32,
    served: AtomicBool,
    known: AtomicBool,
    head_since: AtomicU64,
    unread_since: AtomicU64,
    active: AtomicU64,
}

impl Seat {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            end: CancellationToken::new(),
            since: Instant::now(),
            at_work: AtomicU32::new(0),
            served: AtomicBool::new(false),
            known: AtomicBool::new(false),
            head_since: AtomicU64::new(0),
            unread_since: AtomicU64::new(0),
            active: AtomicU64::new(1),
        }
    }

    /// A moment by the seat's own time.
    fn at(&self, now: Instant) -> u64 {
        ms(now.saturating_duration_since(self.since))
    }

    /// Bytes came.
    pub(super) fn heard(&self, now: Instant) {
        if self.is_idle() && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.at(now), Relaxed);
        }
    }

    /// What was to be sent could not be, or could.
    fn sending(&self, stuck: bool, now: Instant) {
        let since = self.unread_since.load(Relaxed);
        if stuck != (since != 0) {
            self.unread_since.store(if stuck { self.at(now) } else { 0 }, Relaxed);
        }
    }

    /// The same of what a write came to.
    pub(super) fn sending_is<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.sending(polled.is_pending(), Instant::now());
        polled
    }

    /// No request at work.
    pub(super) fn is_idle(&self) -> bool {
        self.at_work.load(Relaxed) == 0
    }

    /// A head is there: a request is at work until the guard goes.
    pub(crate) fn begin(self: &Arc<Self>) -> AtWork {
        self.head_since.store(0, Relaxed);
        self.served.store(true, Relaxed);
        self.at_work.fetch_add(1, Relaxed);
        AtWork(self.clone())
    }

    /// Somebody with a key that counts sits here.
    pub(crate) fn is_known(&self) {
        self.known.store(true, Relaxed);
    }

    /// Nothing at work, and no key ever shown.
    pub(super) fn is_idle_stranger(&self) -> bool {
        self.at_work.load(Relaxed) == 0 && !self.known.load(Relaxed)
    }

    /// How long nothing has been at work, ms. None while something is.
    pub(super) fn quiet_for(&self, now: Instant) -> Option<u64> {
        let now = self.at(now);
        (self.at_work.load(Relaxed) == 0).then(|| now.saturating_sub(self.active.load(Relaxed)))
    }

    /// Why its time is up, if it is.
    pub(super) fn overdue(&self, limits: &HttpLimits, now: Instant) -> Option<&'static str> {
        let now = self.at(now);
        let longer_than = |since: u64, most: Duration| {
            since != 0 && u128::from(now.saturating_sub(since)) > most.as_millis()
        };
        if longer_than(self.unread_since.load(Relaxed), limits.send) {
            return Some("not_read");
        }
        if self.at_work.load(Relaxed) > 0 {
            return None;
        }
        let first = !self.served.load(Relaxed);
        if longer_than(self.head_since.load(Relaxed), limits.head) || (first && longer_than(1, limits.head)) {
            return Some("slow_head");
        }
        longer_than(self.active.load(Relaxed), limits.idle).then_some("idle")
    }
}

/// Milliseconds of a seat's own time.
fn ms(since: Duration) -> u64 {
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX - 1) + 1
}

/// A request at work.
#[derive(Debug)]
pub(crate) struct AtWork(Arc<Seat>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.active.store(self.0.at(Instant::now()), Relaxed);
        self.0.at_work.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> HttpLimits {
        let settings = kit::Settings::read(kit::Role::EdgeGateway, &|_| None).unwrap();
        settings.http
    }

    fn seat() -> Arc<Seat> {
        Arc::new(Seat::new(Address::of([127, 0, 0, 1].into())))
    }

    fn after(s: &Seat, seconds: u64) -> Instant {
        s.since + Duration::from_secs(seconds)
    }

    #[test]
    fn a_connection_that_says_nothing_has_as_long_as_a_head() {
        let s = seat();
        assert_eq!(s.overdue(&limits(), after(&s, 10)), None);
        assert_eq!(s.overdue(&limits(), after(&s, 11)), Some("slow_head"));
    }

    #[test]
    fn a_trickled_head_is_timed_from_its_first_byte() {
        let s = seat();
        drop(s.begin());
        assert_eq!(s.overdue(&limits(), after(&s, 50)), None, "idle for less than a minute");
        for second in 50..=60 {
            s.heard(after(&s, second));
            assert_eq!(s.overdue(&limits(), after(&s, second)), None, "{second}");
        }
        assert_eq!(s.overdue(&limits(), after(&s, 61)), Some("slow_head"));
        let work = s.begin();
        s.heard(after(&s, 100));
        assert_eq!(s.overdue(&limits(), after(&s, 3600)), None, "a request at work is timed elsewhere");
        drop(work);
        assert_eq!(s.overdue(&limits(), after(&s, 59)), None);
        assert_eq!(s.overdue(&limits(), after(&s, 70)), Some("idle"));
    }

    #[test]
    fn whoever_does_not_read_its_answer_is_given_up() {
        let s = seat();
        let _work = s.begin();
        s.sending(true, after(&s, 1));
        s.sending(false, after(&s, 20));
        s.sending(true, after(&s, 20));
        assert_eq!(s.overdue(&limits(), after(&s, 49)), None, "it read a little");
        assert_eq!(s.overdue(&limits(), after(&s, 51)), Some("not_read"));
    }

    #[test]
    fn whoever_is_at_work_is_never_idle_and_whoever_showed_a_key_is_no_stranger() {
        let s = seat();
        assert!(s.is_idle_stranger());
        assert_eq!(s.quiet_for(after(&s, 2)), Some(2000));
        let work = s.begin();
        assert!(!s.is_idle_stranger() && s.quiet_for(after(&s, 2)).is_none());
        s.is_known();
        drop(work);
        assert!(!s.is_idle_stranger() && s.quiet_for(after(&s, 2)).is_some());
    }
}
