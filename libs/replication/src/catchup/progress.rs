//! Does it move, how fast, and if not, why not.

use super::Catchup;
use super::event::{Cause, Output};
use super::peer::Peer;

/// Seconds the rate looks back.
const SECONDS: i64 = 10;

/// Events per second over the last ten seconds.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// (second, events), ascending.
    seconds: std::collections::VecDeque<(i64, u64)>,
}

impl Rate {
    pub(super) fn add(&mut self, now: i64, events: u64) {
        if events == 0 {
            return;
        }
        let second = now.div_euclid(1000);
        match self.seconds.back_mut() {
            Some((s, n)) if *s == second => *n = n.saturating_add(events),
            _ => self.seconds.push_back((second, events)),
        }
        while self.seconds.len() > SECONDS as usize {
            self.seconds.pop_front();
        }
    }

    /// Events per second, over the time since the first of them within the last ten seconds (at least one second).
    pub(super) fn per_second(&self, now: i64) -> f64 {
        let oldest = now.div_euclid(1000) - SECONDS + 1;
        let mut recent = self.seconds.iter().filter(|(s, _)| *s >= oldest).peekable();
        let Some((first, _)) = recent.peek() else { return 0.0 };
        let span = (now - first * 1000).max(1000) as f64 / 1000.0;
        recent.map(|(_, n)| *n as f64).sum::<f64>() / span
    }
}

/// Watches that what is missing becomes less.
#[derive(Debug, Default)]
pub(super) struct Stall {
    /// Since when something could be had and nothing moved.
    since: Option<i64>,
    alarmed: Option<Cause>,
    /// What went wrong last.
    pub(super) trouble: Option<Cause>,
}

impl Stall {
    pub(super) fn progress(&mut self, now: i64) {
        self.trouble = None;
        if self.since.is_some() {
            self.since = Some(now);
        }
    }

    /// The cause while the alarm stands.
    pub(super) fn cause(&self) -> Option<&Cause> {
        self.alarmed.as_ref()
    }
}

impl Catchup {
    /// True while a connected peer holds something that is missing here, or may do so because its map is still on its way.
    pub fn catching_up(&self, now: i64) -> bool {
        self.peers.values().any(|p| {
            p.linked_at.is_some_and(|at| p.has_ripe() || (!p.fresh && now - at < self.limits.lease_ms))
        })
    }

    pub(super) fn watch(&mut self, now: i64) {
        let catching_up = self.catching_up(now);
        if catching_up != self.was_catching_up {
            self.was_catching_up = catching_up;
            self.outputs.push(Output::Publish);
        }
        // What comes live, however late, is waited for and does not stall.
        let coming = self.coming(now);
        let asked_for = |p: &Peer| {
            p.wants.iter().any(|(stream, w)| {
                w.has_ripe()
                    && coming.get(stream).is_none_or(|head| w.ranges().first().is_some_and(|r| r.0 <= *head))
            })
        };
        let waiting = self.peers.values().any(|p| p.linked_at.is_some() && asked_for(p));
        if !waiting {
            self.stall.since = None;
            self.stall.trouble = None;
        } else {
            self.stall.since.get_or_insert(now);
        }
        let still = self.stall.since.is_some_and(|at| now - at >= self.limits.stall_ms);
        match (still, &self.stall.alarmed) {
            (true, None) => {
                let cause = match &self.stall.trouble {
                    Some(c) => c.clone(),
                    None if !self.loaded => Cause::Unread,
                    None => Cause::Waiting,
                };
                self.stall.alarmed = Some(cause.clone());
                self.outputs.push(Output::Stalled(cause));
                self.ask_reload(now);
            }
            (false, Some(_)) => {
                self.stall.alarmed = None;
                self.outputs.push(Output::Moving);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut r = Rate::default();
        assert_eq!(r.per_second(5000), 0.0);
        r.add(5000, 100);
        assert_eq!(r.per_second(5500), 100.0);
        r.add(6000, 300);
        assert_eq!(r.per_second(7000), 200.0);
        assert_eq!(r.per_second(60_000), 0.0);
    }
}
