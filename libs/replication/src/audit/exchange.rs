//! The conversation with peers: from the sums of an origin down to single positions.

use std::collections::{BTreeMap, BTreeSet};

use wire::audit::{AuditAbout, AuditFound, AuditQuestion, CHUNK, ChunkDigest, Cut, SiteDigest, Tally};
use wire::hash::Hash32;
use wire::id::CentralId;
use wire::position::{Position, StreamId};

use super::book::{Book, Compared, compare};

/// Questions under way at most; a peer that does not answer frees its place after [`PATIENCE_MS`].
const MAX_ASKED: usize = 64;
/// An answer that takes longer counts as lost, ms.
const PATIENCE_MS: i64 = 20_000;
/// Days gone into after one comparison.
const MAX_DAYS: usize = 8;
/// Chunks told in one answer.
const MAX_CHUNKS: usize = 1500;
/// Chunks gone into after one comparison.
const MAX_DOWN: usize = 8;
/// Days told in one answer.
const MAX_TOLD_DAYS: usize = 1500;

/// How the last comparison of an origin with a peer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How.
    pub state: State,
    /// When, ms.
    pub at: i64,
    /// Since when it has been so, ms.
    pub since: i64,
    /// Events compared.
    pub events: u64,
}

/// See [`Standing`].
pub type State = Compared;

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// Ask the same peer.
    Ask(Vec<AuditQuestion>),
    /// Compare these hashes of a chunk with the rows here.
    Rows {
        /// The stream.
        stream: StreamId,
        /// The chunk.
        chunk: u64,
        /// Seq and hash, as the peer reads them from its bytes.
        theirs: BTreeMap<u64, BTreeSet<Hash32>>,
    },
    /// The events asked for: a page.
    Page {
        /// Which were asked for.
        positions: Vec<Position>,
        /// The page.
        page: Vec<u8>,
    },
}

#[derive(Debug, Clone)]
struct Asked {
    peer: CentralId,
    about: AuditAbout,
    at: i64,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Exchange {
    next: u64,
    asked: BTreeMap<u64, Asked>,
    standings: BTreeMap<(CentralId, CentralId), Standing>,
    days: BTreeMap<(CentralId, i32), BTreeSet<CentralId>>,
    /// What a peer told of an origin, while it differs from what is here: by origin and peer.
    differing: BTreeMap<(CentralId, CentralId), SiteDigest>,
}

impl Exchange {
    /// `first` is the number of the first question: random, so that an answer to an earlier process is not taken for one to this.
    pub fn new(first: u64) -> Self {
        Self {
            next: first,
            asked: BTreeMap::new(),
            standings: BTreeMap::new(),
            days: BTreeMap::new(),
            differing: BTreeMap::new(),
        }
    }

    /// Makes a question, unless too many are under way.
    pub fn ask(&mut self, peer: &CentralId, about: AuditAbout, now: i64) -> Option<AuditQuestion> {
        self.asked.retain(|_, a| now.saturating_sub(a.at) < PATIENCE_MS);
        if self.asked.len() >= MAX_ASKED
            || self.asked.values().any(|a| a.peer == *peer && same_subject(&a.about, &about))
        {
            return None;
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.asked.insert(id, Asked { peer: peer.clone(), about: about.clone(), at: now });
        Some(AuditQuestion { id, about })
    }

    /// A peer told its sums of an origin: what to ask it.
    pub fn heard(
        &mut self,
        book: &Book,
        from: &CentralId,
        told: &SiteDigest,
        now: i64,
    ) -> Option<AuditQuestion> {
        let state = book.compare(told);
        self.stands(from, told, state, now);
        if state != Compared::Differs {
            return None;
        }
        self.ask(from, AuditAbout::Days { site: told.site.clone(), cuts: told.cuts.clone() }, now)
    }

    /// The book changed: what differed from what a peer told is compared once more. The peer has no reason to tell it again soon.
    pub fn look_again(&mut self, book: &Book, now: i64) {
        for ((_, from), told) in self.differing.clone() {
            if book.compare(&told) == Compared::Same {
                self.stands(&from, &told, Compared::Same, now);
            }
        }
    }

    /// Notes how a comparison ended.
    fn stands(&mut self, from: &CentralId, told: &SiteDigest, state: Compared, now: i64) {
        let key = (told.site.clone(), from.clone());
        let before = self.standings.get(&key);
        let since = before.filter(|b| b.state == state).map_or(now, |b| b.since);
        // While one side is behind, what was found before still says more.
        if state != Compared::Waiting || before.is_none_or(|b| b.state == Compared::Waiting) {
            self.standings.insert(key.clone(), Standing { state, at: now, since, events: told.tally.events });
        }
        match state {
            Compared::Same => {
                self.days.iter_mut().filter(|((site, _), _)| *site == told.site).for_each(|(_, peers)| {
                    peers.remove(from);
                });
                self.days.retain(|_, peers| !peers.is_empty());
                self.differing.remove(&key);
            }
            Compared::Differs => drop(self.differing.insert(key, told.clone())),
            Compared::Waiting => {}
        }
    }

    /// Answers a question from the book; none for what only the log itself can answer.
    pub fn answer(book: &Book, about: &AuditAbout) -> Option<AuditFound> {
        let found = match about {
            AuditAbout::Days { site, cuts } => book
                .days(site, cuts)
                .map(|d| AuditFound::Days(d.into_iter().rev().take(MAX_TOLD_DAYS).collect())),
            AuditAbout::Chunks { site, cuts, days } => {
                book.chunks(site, cuts, days, MAX_CHUNKS).map(AuditFound::Chunks)
            }
            AuditAbout::Events { .. } | AuditAbout::Frames { .. } => return None,
        };
        Some(found.unwrap_or(AuditFound::Unknown))
    }

    /// An answer came.
    pub fn answered(&mut self, book: &Book, from: &CentralId, id: u64, found: AuditFound, now: i64) -> Next {
        if self.asked.get(&id).is_none_or(|a| a.peer != *from) {
            return Next::Nothing;
        }
        let Some(Asked { about, .. }) = self.asked.remove(&id) else { return Next::Nothing };
        match (about, found) {
            (AuditAbout::Days { site, cuts }, AuditFound::Days(theirs)) => {
                self.days_came(book, from, &site, cuts, &theirs.into_iter().collect(), now)
            }
            (AuditAbout::Chunks { site, cuts, days }, AuditFound::Chunks(theirs)) => {
                self.chunks_came(book, from, (&site, &cuts, &days), &theirs, now)
            }
            (AuditAbout::Events { stream, chunk }, AuditFound::Events(list)) => {
                let mut theirs: BTreeMap<u64, BTreeSet<Hash32>> = BTreeMap::new();
                for (seq, hash) in list {
                    if seq > chunk.saturating_mul(CHUNK)
                        && seq <= chunk.saturating_add(1).saturating_mul(CHUNK)
                    {
                        theirs.entry(seq).or_default().insert(hash);
                    }
                }
                Next::Rows { stream, chunk, theirs }
            }
            (AuditAbout::Frames { positions }, AuditFound::Frames(page)) => Next::Page { positions, page },
            _ => Next::Nothing,
        }
    }

    fn days_came(
        &mut self,
        book: &Book,
        from: &CentralId,
        site: &CentralId,
        cuts: Vec<Cut>,
        theirs: &BTreeMap<i32, Tally>,
        now: i64,
    ) -> Next {
        let Some(mine) = book.days(site, &cuts) else { return Next::Nothing };
        let nothing = Tally::default();
        let all: BTreeSet<i32> = mine.keys().chain(theirs.keys()).copied().collect();
        let differing: Vec<i32> = all
            .into_iter()
            .rev()
            .filter(|d| mine.get(d).unwrap_or(&nothing) != theirs.get(d).unwrap_or(&nothing))
            .collect();
        for day in &differing {
            self.days.entry((site.clone(), *day)).or_default().insert(from.clone());
        }
        let days: Vec<i32> = differing.into_iter().take(MAX_DAYS).collect();
        if days.is_empty() {
            return Next::Nothing;
        }
        let next = self.ask(from, AuditAbout::Chunks { site: site.clone(), cuts, days }, now);
        next.map_or(Next::Nothing, |q| Next::Ask(vec![q]))
    }

    fn chunks_came(
        &mut self,
        book: &Book,
        from: &CentralId,
        (site, cuts, days): (&CentralId, &[Cut], &[i32]),
        theirs: &[ChunkDigest],
        now: i64,
    ) -> Next {
        let Some(mine) = book.chunks(site, cuts, days, MAX_CHUNKS) else { return Next::Nothing };
        let mut differing: BTreeSet<(StreamId, u64)> = BTreeSet::new();
        let stream = |c: &ChunkDigest| StreamId { central: site.clone(), incarnation: c.incarnation };
        for (a, b) in [(&mine[..], theirs), (theirs, &mine[..])] {
            for c in a {
                let other = b.iter().find(|o| o.incarnation == c.incarnation && o.chunk == c.chunk);
                if other.is_none_or(|o| compare(&c.tally, &o.tally) != Compared::Same) {
                    differing.insert((stream(c), c.chunk));
                }
            }
        }
        let down = differing.into_iter().rev().take(MAX_DOWN);
        let questions: Vec<_> = down
            .filter_map(|(stream, chunk)| self.ask(from, AuditAbout::Events { stream, chunk }, now))
            .collect();
        Next::Ask(questions)
    }

    /// Forgets peers that are configured no more.
    pub fn keep(&mut self, peers: impl Fn(&CentralId) -> bool) {
        self.standings.retain(|(_, peer), _| peers(peer));
        self.differing.retain(|(_, peer), _| peers(peer));
        for of in self.days.values_mut() {
            of.retain(&peers);
        }
        self.days.retain(|_, of| !of.is_empty());
    }

    /// Every comparison: origin, peer, how it stands.
    pub fn standings(&self) -> impl Iterator<Item = (&CentralId, &CentralId, &Standing)> {
        self.standings.iter().map(|((site, peer), s)| (site, peer, s))
    }

    /// How an origin's day stands, all peers together.
    pub fn day(&self, site: &CentralId, day: i32) -> Option<State> {
        if self.days.contains_key(&(site.clone(), day)) {
            return Some(Compared::Differs);
        }
        let of = self.standings().filter(|(s, _, _)| *s == site).map(|(_, _, s)| s.state);
        // A day that differs is named above; the others of such an origin are the same.
        of.map(|s| if s == Compared::Differs { Compared::Same } else { s }).max()
    }
}

fn same_subject(a: &AuditAbout, b: &AuditAbout) -> bool {
    match (a, b) {
        (AuditAbout::Days { site: a, .. }, AuditAbout::Days { site: b, .. }) => a == b,
        _ => a == b,
    }
}
