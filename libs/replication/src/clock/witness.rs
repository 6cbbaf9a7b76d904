//! The clock witness: knows how far this central's own clock is off, and which of its own stamps were made before that was known.
//!
//! The wall clock is watched beside a *steady* one, which no step moves. Their difference, the anchor, stays the same until
//! somebody sets the wall clock; when it changes, the offset changes by as much. So one sure measure tells the offset of every
//! stamp since the machine booted, however often its clock was set in between.

use serde::{Deserialize, Serialize};
use wire::id::Incarnation;

/// The anchor moved by more: the wall clock was set, ms.
pub const STEP_MS: u64 = 500;
/// Offsets up to this are left alone, when stamping and afterwards, ms.
pub const LIMIT_MS: u64 = 5_000;
/// Stamps of one stretch share one offset; a clock that drifts is followed in steps of this, ms.
const STRETCH_MS: i64 = 3_600_000;
/// No clock drifts by more than one part in this many: what two measures differ by beyond it, one of them got wrong.
const DRIFT: u64 = 20;
/// Stretches kept; beyond, neighbours become one.
const STRETCHES: usize = 256;

/// Both clocks of this machine at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock, ms since the epoch.
    pub wall_ms: i64,
    /// The steady clock, ms since the boot. The same for all processes of a machine.
    pub steady_ms: i64,
}

impl Reading {
    /// Wall less steady, ms: the same until the wall clock is set.
    pub fn anchor_ms(&self) -> i64 {
        self.wall_ms.saturating_sub(self.steady_ms)
    }
}

/// True when two anchors are of a wall clock that was not set in between.
pub fn same_anchor(a: i64, b: i64) -> bool {
    a.abs_diff(b) <= STEP_MS
}

/// A sure measure of the own clock, see [`super::measured_offset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// The own clock less the median, ms.
    pub offset_ms: i64,
    /// Clocks of other centrals in it.
    pub peers: u32,
    /// The anchor while it was measured: a measure made before the clock was set says nothing of the clock after.
    pub anchor_ms: i64,
}

/// Own stamps whose offset is not known yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stretch {
    incarnation: Incarnation,
    from_seq: u64,
    to_seq: u64,
    anchor_ms: i64,
    applied_ms: i64,
    /// The steady clock at its first stamp, ms.
    since_ms: i64,
}

/// The last sure measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    offset_ms: i64,
    anchor_ms: i64,
    steady_ms: i64,
}

impl Known {
    /// The offset a clock with this anchor had then.
    fn under(&self, anchor_ms: i64) -> i64 {
        self.offset_ms.saturating_add(anchor_ms.saturating_sub(self.anchor_ms))
    }
}

/// Own stamps that were off, to be told to everyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    /// Where they stand.
    pub incarnation: Incarnation,
    /// First seq.
    pub from_seq: u64,
    /// Last seq.
    pub to_seq: u64,
    /// How far the clock was off, ms.
    pub offset_ms: i64,
    /// What was taken off when they were stamped, ms.
    pub applied_ms: i64,
    /// Clocks it was measured against.
    pub peers: u32,
}

/// See the module. Serialised, it outlives the process; a boot of the machine begins anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// Names the machine's boot, which the steady clock belongs to.
    boot: String,
    anchor_ms: Option<i64>,
    #[serde(skip)]
    steady_ms: i64,
    known: Option<Known>,
    /// The own clock is measured at this moment: stamps need no watching.
    #[serde(skip)]
    sure: bool,
    /// Oldest first.
    open: Vec<Stretch>,
    /// Counts what is worth keeping.
    #[serde(skip)]
    changes: u64,
}

impl Witness {
    /// A witness that knows nothing.
    pub fn new(boot: &str) -> Self {
        Self { boot: boot.to_owned(), ..Self::default() }
    }

    /// Goes on where an earlier process stopped. `head`: the last seq held of an incarnation of this central's own. What was kept
    /// of another boot of the machine is of no use: nobody knows what its steady clock showed.
    #[must_use]
    pub fn resume(mut self, boot: &str, head: impl Fn(Incarnation) -> u64) -> Self {
        if self.boot != boot {
            return Self::new(boot);
        }
        // Only the beginnings are kept with every stamp: a stretch lasts until the next one, or to the end of its incarnation.
        let begins: Vec<(Incarnation, u64)> = self.open.iter().map(|s| (s.incarnation, s.from_seq)).collect();
        for (i, s) in self.open.iter_mut().enumerate() {
            let next = begins.iter().skip(i + 1).find(|(inc, _)| *inc == s.incarnation);
            s.to_seq = next.map_or_else(|| head(s.incarnation), |(_, from)| from.saturating_sub(1));
        }
        self.open.retain(|s| s.to_seq >= s.from_seq);
        self
    }

    /// The own clock less the right time, as far as known, ms: the last sure measure, and every step of the clock since.
    pub fn offset_ms(&self) -> i64 {
        match (&self.known, self.anchor_ms) {
            (Some(k), Some(anchor)) => k.under(anchor),
            _ => 0,
        }
    }

    /// Grows whenever there is something to keep.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Stamps whose offset is not known yet are being watched.
    pub fn is_watching(&self) -> bool {
        !self.open.is_empty()
    }

    /// Looks at the clocks, before stamping and at least once a second. `measure`: what the mesh measured last, if that is sure.
    /// Returns the own stamps that are now known to be off.
    pub fn observe(&mut self, now: Reading, measure: Option<Measure>) -> Vec<Cover> {
        self.steady_ms = now.steady_ms;
        let anchor = match self.anchor_ms {
            Some(a) if same_anchor(a, now.anchor_ms()) => a,
            _ => now.anchor_ms(),
        };
        self.anchor_ms = Some(anchor);
        let Some(m) = measure.filter(|m| m.peers > 0 && same_anchor(m.anchor_ms, anchor)) else {
            self.sure = false;
            return Vec::new();
        };
        let new = Known { offset_ms: m.offset_ms, anchor_ms: anchor, steady_ms: now.steady_ms };
        let covers = self.open.iter().filter_map(|s| self.cover(s, &new, m.peers)).collect();
        if !self.open.is_empty()
            || self.known.as_ref().is_none_or(|k| k.offset_ms.abs_diff(new.offset_ms) > STEP_MS)
        {
            self.changes += 1;
        }
        self.open.clear();
        self.known = Some(new);
        self.sure = true;
        covers
    }

    /// What is to be said of a stretch, now that the clock is measured.
    fn cover(&self, s: &Stretch, new: &Known, peers: u32) -> Option<Cover> {
        let now = new.under(s.anchor_ms);
        let offset_ms = match &self.known {
            // A clock that went wrong little by little: the stretch stands between two measures.
            Some(k) if new.steady_ms > k.steady_ms => {
                let then = k.under(s.anchor_ms);
                let since = |at: i64| i128::from(at) - i128::from(k.steady_ms);
                let part = since(s.since_ms.clamp(k.steady_ms, new.steady_ms));
                if now.abs_diff(then) > LIMIT_MS.max(new.steady_ms.abs_diff(k.steady_ms) / DRIFT) {
                    return Self::told(s, now, peers);
                }
                let drift = i128::from(now) - i128::from(then);
                let moved = i64::try_from(drift.saturating_mul(part) / since(new.steady_ms)).unwrap_or(0);
                then.saturating_add(moved)
            }
            _ => now,
        };
        Self::told(s, offset_ms, peers)
    }

    /// What is said of a stretch that was off by so much; none where that is what was taken off.
    fn told(s: &Stretch, offset_ms: i64, peers: u32) -> Option<Cover> {
        (counted(offset_ms).abs_diff(s.applied_ms) > LIMIT_MS).then_some(Cover {
            incarnation: s.incarnation,
            from_seq: s.from_seq,
            to_seq: s.to_seq,
            offset_ms,
            applied_ms: s.applied_ms,
            peers,
        })
    }

    /// An own event was stamped, with [`Self::offset_ms`] taken off where that is above the limit.
    pub fn stamped(&mut self, incarnation: Incarnation, seq: u64) {
        let (Some(anchor_ms), false) = (self.anchor_ms, self.sure) else { return };
        let applied_ms = counted(self.offset_ms());
        let now = self.steady_ms;
        if let Some(last) = self.open.last_mut()
            && (last.incarnation, last.anchor_ms, last.applied_ms) == (incarnation, anchor_ms, applied_ms)
            && now.saturating_sub(last.since_ms) < STRETCH_MS
        {
            last.to_seq = seq;
            return;
        }
        let since_ms = now;
        self.open.push(Stretch { incarnation, from_seq: seq, to_seq: seq, anchor_ms, applied_ms, since_ms });
        self.changes += 1;
        if self.open.len() > STRETCHES {
            self.thin_out();
        }
    }

    /// Makes room: two neighbours of one clock become one; where there are none, the oldest is given up.
    fn thin_out(&mut self) {
        let like = |a: &Stretch, b: &Stretch| {
            (a.incarnation, a.anchor_ms, a.applied_ms) == (b.incarnation, b.anchor_ms, b.applied_ms)
        };
        // The shortest pair, so that one long stretch does not eat all others.
        let pair = (1..self.open.len())
            .filter(|i| like(&self.open[i - 1], &self.open[*i]))
            .min_by_key(|i| self.open[*i].to_seq.saturating_sub(self.open[i - 1].from_seq));
        match pair {
            Some(i) => {
                let later = self.open.remove(i);
                self.open[i - 1].to_seq = later.to_seq;
            }
            None => drop(self.open.remove(0)),
        }
    }
}

/// An offset as it counts: small ones are left alone.
fn counted(offset_ms: i64) -> i64 {
    if offset_ms.unsigned_abs() > LIMIT_MS { offset_ms } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;
    const I: Incarnation = Incarnation(7);

    /// A machine: its wall clock was set wrong by `off`, and both its clocks run wrong by `drift`.
    struct Machine {
        steady: i64,
        off: i64,
        drift: i64,
        witness: Witness,
        seq: u64,
        /// seq, what was taken off, how far the clock was off.
        stamps: Vec<(u64, i64, i64)>,
        covers: Vec<Cover>,
    }

    impl Machine {
        fn new(off: i64) -> Self {
            let witness = Witness::new("boot");
            Self { steady: 1_000_000, off, drift: 0, witness, seq: 0, stamps: Vec::new(), covers: Vec::new() }
        }

        fn reading(&self) -> Reading {
            Reading { wall_ms: self.steady + self.off, steady_ms: self.steady }
        }

        fn measure(&self) -> Measure {
            Measure { offset_ms: self.off + self.drift, peers: 3, anchor_ms: self.reading().anchor_ms() }
        }

        fn stamp(&mut self, measure: Option<Measure>) {
            self.covers.extend(self.witness.observe(self.reading(), measure));
            self.seq += 1;
            self.stamps.push((self.seq, counted(self.witness.offset_ms()), self.off + self.drift));
            self.witness.stamped(I, self.seq);
        }

        fn meet(&mut self) {
            let m = self.measure();
            self.covers.extend(self.witness.observe(self.reading(), Some(m)));
        }

        /// How far each stamp is off after all that was said of it.
        fn left(&self) -> Vec<i64> {
            self.stamps
                .iter()
                .map(|(seq, applied, off)| {
                    let told = self.covers.iter().rev().find(|c| (c.from_seq..=c.to_seq).contains(seq));
                    off - told.map_or(*applied, |c| counted(c.offset_ms))
                })
                .collect()
        }
    }

    #[test]
    fn stamps_made_alone_are_covered_once_peers_are_met() {
        let mut m = Machine::new(2 * HOUR);
        m.stamp(None);
        m.stamp(None);
        assert!(m.witness.is_watching());
        m.meet();
        m.stamp(Some(m.measure()));
        assert_eq!(m.covers.len(), 1);
        let c = &m.covers[0];
        assert_eq!((c.from_seq, c.to_seq, c.offset_ms, c.applied_ms, c.peers), (1, 2, 2 * HOUR, 0, 3));
        assert_eq!(m.left(), [0, 0, 0]);
        m.meet();
        assert_eq!(m.covers.len(), 1, "once");
    }

    #[test]
    fn a_right_clock_says_nothing() {
        let mut m = Machine::new(3_000);
        m.stamp(None);
        m.meet();
        m.stamp(Some(m.measure()));
        assert_eq!((m.covers.len(), m.witness.is_watching()), (0, false));
    }

    #[test]
    fn what_was_known_stays_known_when_the_peers_go() {
        let mut m = Machine::new(2 * HOUR);
        m.meet();
        m.stamp(None);
        assert_eq!(m.left(), [0]);
        m.meet();
        assert_eq!(m.covers, []);
    }

    #[test]
    fn a_step_is_followed_at_once_and_a_measure_from_before_it_is_not_believed() {
        let mut m = Machine::new(0);
        m.meet();
        let before = m.measure();
        m.off += HOUR;
        m.stamp(Some(before));
        assert_eq!(m.left(), [0]);
        assert!(m.witness.is_watching(), "inferred, not measured");
        m.meet();
        assert_eq!((m.covers.len(), m.witness.is_watching()), (0, false));
    }

    #[test]
    fn a_clock_set_right_while_alone_tells_of_the_time_before() {
        let mut m = Machine::new(2 * HOUR);
        m.stamp(None);
        m.off = 0;
        m.stamp(None);
        m.meet();
        assert_eq!(m.left(), [0, 0]);
        assert_eq!(m.covers.len(), 1);
    }

    #[test]
    fn a_machine_that_slept_is_put_right_by_the_next_measure() {
        // The steady clock stood still, so the wall clock seems to have been set; it is right all the same.
        let mut m = Machine::new(0);
        m.meet();
        m.off += HOUR;
        m.stamp(None);
        m.stamps[0].2 = 0;
        let measure = Measure { offset_ms: 0, ..m.measure() };
        m.covers.extend(m.witness.observe(m.reading(), Some(measure)));
        assert_eq!((m.covers[0].offset_ms, m.covers[0].applied_ms), (0, HOUR));
        assert_eq!(m.left(), [0]);
    }

    #[test]
    fn a_process_that_ended_is_remembered_a_boot_is_not() {
        let mut m = Machine::new(2 * HOUR);
        m.stamp(None);
        let kept = serde_json::to_string(&m.witness).unwrap();
        m.stamp(None);
        let kept: Witness = serde_json::from_str(&kept).unwrap();
        m.witness = kept.clone().resume("boot", |i| if i == I { 2 } else { 0 });
        m.meet();
        assert_eq!(m.left(), [0, 0], "to the end of the incarnation");
        let other = kept.resume("another", |_| 2);
        assert!(!other.is_watching());
    }

    #[test]
    fn what_no_clock_drifts_by_is_no_drift() {
        // A measure that was wrong, then one that is right: the stamps between them were off by all of it, not by a part.
        let mut m = Machine::new(HOUR);
        let wrong = Measure { offset_ms: 0, ..m.measure() };
        m.witness.observe(m.reading(), Some(wrong));
        m.witness.sure = false;
        m.steady += 17_000;
        m.stamp(None);
        m.steady += 33_000;
        m.meet();
        assert_eq!(m.left(), [0]);
    }

    #[test]
    fn a_clock_that_drifts_for_a_month_is_followed() {
        let mut m = Machine::new(0);
        m.meet();
        for _ in 0..30 * 24 {
            m.steady += HOUR;
            m.drift += 180;
            m.stamp(None);
        }
        m.meet();
        assert!(m.covers.len() > 100, "one offset does not fit a month");
        let worst = m.left().into_iter().map(i64::abs).max().unwrap();
        assert!(worst <= LIMIT_MS as i64 + 3_000, "{worst}");
    }

    proptest! {
        #[test]
        fn once_measured_no_stamp_is_left_wrong(
            start in prop::sample::select(vec![0i64, 2 * HOUR, -HOUR, 7_000]),
            steps in prop::collection::vec((0..6u8, prop::sample::select(vec![HOUR, -HOUR, 900, 40_000])), 1..40),
        ) {
            let mut m = Machine::new(start);
            for (what, by) in steps {
                m.steady += 1_000;
                match what {
                    0 => m.off += by,
                    1 => m.meet(),
                    2 => m.stamp(Some(m.measure())),
                    3 => {
                        let kept = serde_json::to_string(&m.witness).unwrap();
                        let seq = m.seq;
                        m.witness = serde_json::from_str::<Witness>(&kept).unwrap().resume("boot", |_| seq);
                    }
                    _ => m.stamp(None),
                }
            }
            m.meet();
            for left in m.left() {
                prop_assert!(left.unsigned_abs() <= LIMIT_MS + STEP_MS, "{left} ms off");
            }
            prop_assert!(!m.witness.is_watching());
        }

        #[test]
        fn memory_is_bounded(incarnations in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut w = Witness::new("boot");
            for (i, incarnation) in incarnations.iter().enumerate() {
                let at = i as i64 * STRETCH_MS;
                w.observe(Reading { wall_ms: at, steady_ms: at }, None);
                w.stamped(Incarnation(u128::from(*incarnation)), i as u64 + 1);
            }
            prop_assert!(w.open.len() <= STRETCHES);
        }

        #[test]
        fn hostile_clocks_never_panic(readings in prop::collection::vec((any::<i64>(), any::<i64>(), any::<i64>(), any::<i64>()), 1..10)) {
            let mut w = Witness::new("boot");
            for (i, (wall_ms, steady_ms, offset_ms, anchor_ms)) in readings.into_iter().enumerate() {
                let anchor_ms = if i % 2 == 0 { wall_ms.saturating_sub(steady_ms) } else { anchor_ms };
                w.observe(Reading { wall_ms, steady_ms }, Some(Measure { offset_ms, peers: 2, anchor_ms }));
                w.observe(Reading { wall_ms, steady_ms }, None);
                w.stamped(I, i as u64 + 1);
                let _ = w.offset_ms();
            }
        }
    }
}
