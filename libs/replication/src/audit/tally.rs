//! Sums that do not depend on the order of what is summed.

use wire::audit::{Money, Tally};
use wire::event::{Body, Frame, Kind};
use wire::hash::Hash32;
use wire::position::Position;

const DAY_MS: i64 = 86_400_000;

/// The UTC day of a moment (ms since the epoch), in days since 1970-01-01. Moments no calendar has are put on its edges.
pub fn day_of(at: i64) -> i32 {
    at.div_euclid(DAY_MS).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

/// A position as a number; equal positions give equal numbers, others hardly ever.
fn mixed(p: &Position) -> u64 {
    let i = p.stream.incarnation.0;
    let mut x = (i as u64) ^ ((i >> 64) as u64).rotate_left(31) ^ p.seq.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn lanes(hash: Hash32) -> [u64; 4] {
    let mut out = [0; 4];
    for (lane, bytes) in out.iter_mut().zip(hash.0.chunks_exact(8)) {
        *lane = bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b));
    }
    out
}

fn money(frame: &Frame) -> Money {
    let kind = frame.header().kind;
    if !matches!(kind, Kind::Exit | Kind::Waived | Kind::Payment | Kind::BasisDifference) {
        return Money::default();
    }
    // What cannot be read has no money in it; the same at every central, since it depends on the bytes alone.
    match Body::of(frame) {
        Ok(Some(Body::Exit(b))) => {
            Money { charged: b.fee, paid: b.payment.map_or(0, |p| p.amount), ..Money::default() }
        }
        Ok(Some(Body::Waived(b))) => Money { waived: b.amount, ..Money::default() },
        Ok(Some(Body::Payment(b))) => Money { paid: b.amount, ..Money::default() },
        Ok(Some(Body::BasisDifference(b))) => Money { differences: b.difference, ..Money::default() },
        _ => Money::default(),
    }
}

/// The day and the sums of one event, from its bytes alone.
pub fn of_frame(frame: &Frame) -> (i32, Tally) {
    let h = frame.header();
    let tally = Tally {
        events: 1,
        erased: u64::from(frame.is_erased()),
        places: mixed(&h.position),
        hashes: lanes(frame.hash()),
        money: money(frame),
    };
    (day_of(h.occurred_at), tally)
}

/// Adds sums to sums.
pub fn add(all: &mut Tally, more: &Tally) {
    all.events = all.events.wrapping_add(more.events);
    all.erased = all.erased.wrapping_add(more.erased);
    all.places = all.places.wrapping_add(more.places);
    for (a, b) in all.hashes.iter_mut().zip(more.hashes) {
        *a = a.wrapping_add(b);
    }
    let (a, b) = (&mut all.money, more.money);
    a.charged = a.charged.wrapping_add(b.charged);
    a.waived = a.waived.wrapping_add(b.waived);
    a.paid = a.paid.wrapping_add(b.paid);
    a.differences = a.differences.wrapping_add(b.differences);
}

/// True when the same positions went into both: only then are they compared.
pub fn same_places(a: &Tally, b: &Tally) -> bool {
    a.events == b.events && a.places == b.places
}

/// True when the events and their money are the same. Money is only compared where the same number of bodies is erased.
pub(super) fn same(a: &Tally, b: &Tally) -> bool {
    a.hashes == b.hashes && (a.erased != b.erased || a.money == b.money)
}
