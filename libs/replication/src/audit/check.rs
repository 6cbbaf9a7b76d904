//! A stretch of one stream, row by row: bytes, hash, columns, links, and the position map.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use wire::audit::CHUNK;
use wire::event::Frame;
use wire::hash::Hash32;
use wire::position::{Position, StreamId};

use super::book::Seen;
use super::tally::of_frame;
use crate::positions::StreamPositions;
use crate::positions::ranges::{Range, intersect, subtract, union};

/// A stored row.
#[derive(Debug, Clone)]
pub struct Row {
    /// Where it is stored.
    pub seq: u64,
    /// In which branch.
    pub branch: u16,
    /// The hash beside its bytes; none when it is no hash at all.
    pub hash: Option<Hash32>,
    /// Its bytes as an event, or why they are none.
    pub frame: Result<Frame, String>,
    /// Columns beside the bytes that do not say what the bytes say.
    pub columns: Vec<&'static str>,
}

/// What is looked at.
#[derive(Debug)]
pub struct Stretch<'a> {
    /// The stream.
    pub stream: &'a StreamId,
    /// First seq.
    pub from: u64,
    /// Last seq.
    pub to: u64,
    /// The rows of `from − 1 ..= to + 1`: the ones beside the stretch are only asked for their links.
    pub rows: &'a [Row],
    /// What the map says is held.
    pub held: &'a StreamPositions,
}

/// Something is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// More than one row claims this branch of a position. (First of all: what else is wrong there can be put right after.)
    Twice {
        /// Where.
        seq: u64,
        /// Branch.
        branch: u16,
    },
    /// The bytes are no event, or not the one the hash beside them names.
    Bytes {
        /// Where.
        seq: u64,
        /// Branch.
        branch: u16,
        /// What exactly.
        why: String,
    },
    /// The bytes are proven, and the hash beside them is not theirs.
    HashColumn {
        /// Where.
        seq: u64,
        /// Branch.
        branch: u16,
    },
    /// Columns do not say what the bytes say.
    Columns {
        /// Where.
        seq: u64,
        /// Branch.
        branch: u16,
        /// Which.
        names: Vec<&'static str>,
    },
    /// The bytes belong to another position.
    Misplaced {
        /// Where it is stored.
        seq: u64,
        /// Branch.
        branch: u16,
        /// Where it belongs.
        says: Position,
    },
    /// The event is whole in itself and is not the one that those beside it name.
    Link {
        /// Where.
        seq: u64,
        /// Its hash; the lowest, where there are more.
        hash: Hash32,
    },
    /// The map says these are held, and no row is there.
    Missing {
        /// First.
        from: u64,
        /// Last.
        to: u64,
    },
    /// Rows are there, and the map says something else.
    Map {
        /// First.
        from: u64,
        /// Last.
        to: u64,
    },
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Per chunk; the prints are for the caller to fill in.
    pub chunks: BTreeMap<u64, Seen>,
    /// What is wrong, in order.
    pub faults: Vec<Fault>,
}

/// The chunk of a seq.
pub(super) fn chunk_of(seq: u64) -> u64 {
    seq.saturating_sub(1) / CHUNK
}

/// A print of what the map says about a chunk: while it and the rows are the same, the chunk need not be read again.
pub fn map_print(held: &StreamPositions, chunk: u64) -> u64 {
    let (from, to) = (chunk * CHUNK + 1, (chunk + 1) * CHUNK);
    let mut h = DefaultHasher::new();
    intersect(&held.holding(), &[(from, to)]).hash(&mut h);
    for (seq, hashes) in held.forks().range(from..=to) {
        (seq, hashes).hash(&mut h);
    }
    if (from..=to).contains(&held.head()) {
        held.head_hash().hash(&mut h);
    }
    h.finish()
}

/// True when the row is a whole event in its place.
fn whole<'a>(row: &'a Row, stream: &StreamId) -> Option<&'a Frame> {
    let f = row.frame.as_ref().ok()?;
    let p = &f.header().position;
    (p.stream == *stream && p.seq == row.seq && row.hash == Some(f.hash())).then_some(f)
}

/// The hashes that whole rows after it, and the map, name for a seq.
fn named(s: &Stretch<'_>, seq: u64) -> BTreeSet<Hash32> {
    let after = s.rows.iter().filter(|r| r.seq == seq + 1).filter_map(|r| whole(r, s.stream));
    let mut all: BTreeSet<Hash32> = after.map(|f| f.header().prev_hash).collect();
    if s.held.head() == seq && s.held.head_hash() != Hash32::default() {
        all.insert(s.held.head_hash());
    }
    all
}

/// Looks at a stretch.
pub fn check(s: &Stretch<'_>) -> Checked {
    let mut out = Checked::default();
    let inside: Vec<&Row> = s.rows.iter().filter(|r| (s.from..=s.to).contains(&r.seq)).collect();
    let mut places = BTreeSet::new();
    for row in &inside {
        if !places.insert((row.seq, row.branch)) {
            out.faults.push(Fault::Twice { seq: row.seq, branch: row.branch });
        }
        row_by_itself(s, row, &mut out);
    }
    links(s, &inside, &mut out);
    map(s, &inside, &mut out);
    out.faults.sort();
    out.faults.dedup();
    out
}

fn row_by_itself(s: &Stretch<'_>, row: &Row, out: &mut Checked) {
    let (seq, branch) = (row.seq, row.branch);
    let seen = out.chunks.entry(chunk_of(seq)).or_default();
    seen.last = seen.last.max(seq);
    let frame = match &row.frame {
        Ok(f) => f,
        Err(why) => return out.faults.push(Fault::Bytes { seq, branch, why: why.clone() }),
    };
    let at = &frame.header().position;
    let fits = row.hash == Some(frame.hash());
    if at.stream != *s.stream || at.seq != seq {
        out.faults.push(if fits {
            Fault::Misplaced { seq, branch, says: at.clone() }
        } else {
            Fault::Bytes { seq, branch, why: "the bytes have another hash and another position".to_owned() }
        });
        return;
    }
    let (day, tally) = of_frame(frame);
    seen.take(day, &tally);
    if !fits {
        let named = named(s, seq);
        let hash_is_wrong = named.contains(&frame.hash()) && !row.hash.is_some_and(|h| named.contains(&h));
        out.faults.push(if hash_is_wrong {
            Fault::HashColumn { seq, branch }
        } else {
            Fault::Bytes { seq, branch, why: "the bytes have another hash than the row".to_owned() }
        });
    } else if !row.columns.is_empty() {
        out.faults.push(Fault::Columns { seq, branch, names: row.columns.clone() });
    }
}

/// What those beside an event name it.
fn links(s: &Stretch<'_>, inside: &[&Row], out: &mut Checked) {
    let mut hashes: BTreeMap<u64, BTreeSet<Hash32>> = BTreeMap::new();
    for row in inside {
        if let Some(f) = whole(row, s.stream) {
            hashes.entry(row.seq).or_default().insert(f.hash());
        }
    }
    for (seq, here) in hashes {
        // A position on record as forked may lack a branch here: catch-up brings it.
        let on_record = s.held.forks().contains_key(&seq);
        if let Some(hash) = here.first()
            && !on_record
            && !named(s, seq).is_subset(&here)
        {
            out.faults.push(Fault::Link { seq, hash: *hash });
        }
    }
}

/// Rows and map say the same about what is held.
fn map(s: &Stretch<'_>, inside: &[&Row], out: &mut Checked) {
    let mut there: Vec<Range> = inside.iter().map(|r| (r.seq, r.seq)).collect();
    there = union(&there, &[]);
    let stretch = [(s.from, s.to)];
    let held = intersect(&s.held.holding(), &stretch);
    out.faults.extend(subtract(&held, &there).into_iter().map(|(from, to)| Fault::Missing { from, to }));
    let mut wrong = subtract(&there, &held);
    let mut branches: BTreeMap<u64, BTreeSet<Hash32>> = BTreeMap::new();
    for row in inside {
        branches.entry(row.seq).or_default().extend(row.hash);
    }
    for (seq, rows) in &branches {
        let listed = s.held.forks().get(seq);
        if (rows.len() > 1 || listed.is_some_and(|l| l.len() > 1)) && listed != Some(rows) {
            wrong.push((*seq, *seq));
        }
    }
    out.faults.extend(union(&wrong, &[]).into_iter().map(|(from, to)| Fault::Map { from, to }));
}
