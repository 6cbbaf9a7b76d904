//! What was counted: sums per chunk of every stream, and what is made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use wire::audit::{CHUNK, ChunkDigest, Cut, SiteDigest, Tally};
use wire::id::CentralId;
use wire::position::StreamId;

use super::tally::{add, same, same_places};

/// Streams of one origin named in a digest at most; those that grew longest ago are counted whole.
const MAX_CUTS: usize = 32;
/// A stream that did not change for so long is counted to its end, ms.
const QUIET_MS: i64 = 10_000;

/// One chunk as it was last read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// A print of its rows as stored, made by the store: while it is the same, nothing in them changed.
    pub rows: i64,
    /// A print of what the position map says about it: see [`super::map_print`].
    pub map: u64,
    /// The highest seq read.
    pub last: u64,
    /// Per UTC day.
    pub days: Vec<(i32, Tally)>,
}

impl Seen {
    /// Sums over all its days.
    pub fn tally(&self) -> Tally {
        let mut all = Tally::default();
        self.days.iter().for_each(|(_, t)| add(&mut all, t));
        all
    }

    /// Adds one event.
    pub fn take(&mut self, day: i32, tally: &Tally) {
        match self.days.iter_mut().find(|(d, _)| *d == day) {
            Some((_, all)) => add(all, tally),
            None => self.days.push((day, *tally)),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct StreamBook {
    chunks: BTreeMap<u64, Seen>,
    changed_at: i64,
}

/// How sums of two centrals stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compared {
    /// Not the same positions yet, or not at the place named.
    Waiting,
    /// Equal.
    Same,
    /// The same positions and something differs.
    Differs,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Book {
    streams: BTreeMap<StreamId, StreamBook>,
}

impl Book {
    /// What was last read of a chunk.
    pub fn seen(&self, stream: &StreamId, chunk: u64) -> Option<&Seen> {
        self.streams.get(stream)?.chunks.get(&chunk)
    }

    /// Notes what was read of a chunk now (ms, any clock that does not go back).
    pub fn put(&mut self, stream: &StreamId, chunk: u64, seen: Seen, now: i64) {
        let of = self.streams.entry(stream.clone()).or_default();
        if of.chunks.get(&chunk).is_none_or(|b| b.rows != seen.rows) {
            of.changed_at = now;
        }
        if seen.rows == 0 && seen.days.is_empty() {
            of.chunks.remove(&chunk);
        } else {
            of.chunks.insert(chunk, seen);
        }
    }

    /// A stream grows, and its last chunk is not looked at now (ms, as above): it is not counted to its end either.
    pub fn grows(&mut self, stream: &StreamId, now: i64) {
        if let Some(of) = self.streams.get_mut(stream) {
            of.changed_at = now;
        }
    }

    /// Forgets streams that are there no more.
    pub fn keep(&mut self, there: impl Fn(&StreamId) -> bool) {
        self.streams.retain(|id, _| there(id));
    }

    /// Chunks of a stream that hold something of this day or a later one.
    pub fn since(&self, stream: &StreamId, day: i32) -> BTreeSet<u64> {
        let of = self.streams.get(stream).into_iter().flat_map(|s| &s.chunks);
        of.filter(|(_, c)| c.days.iter().any(|(d, _)| *d >= day)).map(|(n, _)| *n).collect()
    }

    /// Chunks, and events in them.
    pub fn size(&self) -> (u64, u64) {
        self.streams
            .values()
            .flat_map(|s| s.chunks.values())
            .fold((0, 0), |(n, e), c| (n + 1, c.days.iter().fold(e, |e, (_, t)| e + t.events)))
    }

    fn of<'a>(&'a self, site: &'a CentralId) -> impl Iterator<Item = (&'a StreamId, &'a StreamBook)> {
        self.streams.iter().filter(move |(id, _)| id.central == *site)
    }

    /// Every origin counted.
    pub fn sites(&self) -> BTreeSet<CentralId> {
        self.streams.keys().map(|s| s.central.clone()).collect()
    }

    /// Where the streams of an origin that still grow are cut: at a chunk's end, or at the last event once they are quiet.
    pub fn cuts(&self, site: &CentralId, now: i64, since_day: i32) -> Vec<Cut> {
        let mut growing: Vec<(i64, Cut)> = self
            .of(site)
            .filter_map(|(id, s)| {
                let (_, tail) = s.chunks.last_key_value()?;
                if tail.days.iter().all(|(d, _)| *d < since_day) {
                    return None;
                }
                let quiet = now.saturating_sub(s.changed_at) >= QUIET_MS;
                let to = if quiet { tail.last } else { tail.last / CHUNK * CHUNK };
                Some((s.changed_at, Cut { incarnation: id.incarnation, to }))
            })
            .collect();
        growing.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        growing.truncate(MAX_CUTS);
        let mut cuts: Vec<Cut> = growing.into_iter().map(|(_, c)| c).collect();
        cuts.sort_by_key(|c| c.incarnation);
        cuts
    }

    /// Every chunk of an origin before the cuts. Breaks off when a cut falls into a chunk that has grown beyond it.
    fn walk(
        &self,
        site: &CentralId,
        cuts: &[Cut],
        mut each: impl FnMut(&StreamId, u64, &Seen),
    ) -> ControlFlow<()> {
        for (id, s) in self.of(site) {
            let cut = cuts.iter().find(|c| c.incarnation == id.incarnation).map_or(u64::MAX, |c| c.to);
            for (n, seen) in &s.chunks {
                let first = n.saturating_mul(CHUNK);
                if first >= cut {
                    break;
                }
                if seen.last > cut {
                    return ControlFlow::Break(());
                }
                each(id, *n, seen);
            }
        }
        ControlFlow::Continue(())
    }

    /// The sums of an origin up to the cuts; none when they cannot be made there.
    pub fn digest(&self, site: &CentralId, cuts: &[Cut]) -> Option<SiteDigest> {
        let mut tally = Tally::default();
        let done = self.walk(site, cuts, |_, _, c| c.days.iter().for_each(|(_, t)| add(&mut tally, t)));
        done.is_continue().then(|| SiteDigest { site: site.clone(), cuts: cuts.to_vec(), tally })
    }

    /// The same, by day.
    pub fn days(&self, site: &CentralId, cuts: &[Cut]) -> Option<BTreeMap<i32, Tally>> {
        let mut days: BTreeMap<i32, Tally> = BTreeMap::new();
        let done = self.walk(site, cuts, |_, _, c| {
            c.days.iter().for_each(|(d, t)| add(days.entry(*d).or_default(), t));
        });
        done.is_continue().then_some(days)
    }

    /// The chunks that hold something of these days, at most `limit`.
    pub fn chunks(
        &self,
        site: &CentralId,
        cuts: &[Cut],
        days: &[i32],
        limit: usize,
    ) -> Option<Vec<ChunkDigest>> {
        let mut out = Vec::new();
        let done = self.walk(site, cuts, |id, n, c| {
            if out.len() < limit && c.days.iter().any(|(d, _)| days.contains(d)) {
                out.push(ChunkDigest { incarnation: id.incarnation, chunk: n, tally: c.tally() });
            }
        });
        done.is_continue().then_some(out)
    }

    /// Compares what a peer told with what was counted here, at the places it names.
    pub fn compare(&self, told: &SiteDigest) -> Compared {
        match self.digest(&told.site, &told.cuts) {
            None => Compared::Waiting,
            Some(mine) => compare(&mine.tally, &told.tally),
        }
    }
}

pub(super) fn compare(mine: &Tally, theirs: &Tally) -> Compared {
    if !same_places(mine, theirs) {
        Compared::Waiting
    } else if same(mine, theirs) {
        Compared::Same
    } else {
        Compared::Differs
    }
}
