//! What is wanted of one stream from one peer.

use std::collections::VecDeque;

use crate::positions::ranges::{Range, intersect, len};

/// Moments kept of a head that moves: beyond, the newest are taken together.
const YOUNG: usize = 16;

/// Ranges one peer holds and this central lacks.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    ranges: Vec<Range>,
    count: u64,
    /// (positions above this, first told at), ascending: such events may still arrive live.
    young: VecDeque<(u64, i64)>,
}

impl Wanted {
    pub(super) fn set(&mut self, ranges: Vec<Range>) {
        self.count = len(&ranges);
        self.ranges = ranges;
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// The peer has just told of positions above `seq`.
    pub(super) fn opened(&mut self, seq: u64, now: i64) {
        if self.young.len() < YOUNG {
            self.young.push_back((seq, now));
        } else if let Some(last) = self.young.back_mut() {
            last.1 = now;
        }
    }

    /// Everything may be asked for at once.
    pub(super) fn ripen(&mut self) {
        self.young.clear();
    }

    fn ripe_to(&mut self, now: i64, settle_ms: i64) -> u64 {
        while self.young.front().is_some_and(|(_, at)| now - at >= settle_ms) {
            self.young.pop_front();
        }
        self.young.front().map_or(u64::MAX, |(above, _)| *above)
    }

    /// Forgets moments that have passed, so that [`Self::ripe`] sees the present.
    pub(super) fn pass(&mut self, now: i64, settle_ms: i64) {
        self.ripe_to(now, settle_ms);
    }

    /// What may be asked for.
    pub(super) fn ripe(&self) -> Vec<Range> {
        match self.young.front() {
            None => self.ranges.clone(),
            Some((above, _)) => intersect(&self.ranges, &[(1, *above)]),
        }
    }

    /// True when something may be asked for.
    pub(super) fn has_ripe(&self) -> bool {
        match (self.ranges.first(), self.young.front()) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some((from, _)), Some((above, _))) => from <= above,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_come_live_waits() {
        let mut w = Wanted::default();
        w.set(vec![(3, 4), (11, 20)]);
        w.opened(10, 1000);
        w.opened(15, 1100);
        w.pass(1000, 150);
        assert_eq!(w.ripe(), [(3, 4)]);
        w.pass(1160, 150);
        assert_eq!(w.ripe(), [(3, 4), (11, 15)]);
        w.pass(1260, 150);
        assert_eq!(w.ripe(), [(3, 4), (11, 20)]);
        w.opened(20, 1300);
        w.set(vec![(21, 30)]);
        assert!(!w.has_ripe());
        w.ripen();
        assert!(w.has_ripe());
    }
}
