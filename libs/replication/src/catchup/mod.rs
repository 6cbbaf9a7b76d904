//! Catch-up: which events are missing here, whom to ask for them, and what to tell the peers.
//!
//! A state machine without I/O, clock or randomness. Inputs are methods that take the time in ms; what is to be done comes out
//! of [`Catchup::take_outputs`]. The rules:
//!
//! - What a peer can give is a pure function of both maps ([`crate::positions::missing_of`]); any peer can fill any origin's gap.
//! - A range asked for is leased to one peer; when nothing comes for [`Limits::lease_ms`], another peer is asked.
//! - Several peers are asked at once for disjoint ranges; each peer has at most one request to answer.
//! - The newest events of every stream come first, those older than [`Limits::window_ms`] last.
//! - An event that is just on its way live is not asked for: a range waits [`Limits::settle_ms`] after a peer first told of it,
//!   except when a link has just come up. While a stream's events come live one after another, what is above them is not asked
//!   for either ([`Limits::moving_ms`]): a central that has too much to do is late, and would be sent everything twice.
//! - Nothing is trusted for long: holdings are read again from the store, maps are compared by digest.
//!
//! Memory is ranges, never lists of events: a backlog of millions is a few numbers.

mod announce;
mod answer;
mod carried;
mod event;
mod parts;
mod peer;
mod plan;
mod progress;
mod receive;
mod recovery;
mod spread;
mod view;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use wire::hash::Hash32;
use wire::id::CentralId;
use wire::position::{SeqRange, StreamHoldings, StreamId};

use crate::positions::{Closed, Positions, StreamPositions, missing_of};

use announce::Announcer;
pub use answer::{Answer, runs};
pub use event::{Brought, Cause, Limits, Outcome, Output, Page, Ticket, Verdict};
use peer::Peer;
use progress::Stall;
pub use recovery::{Phase, Recovery};
pub use spread::{LowWater, Spread};
pub use view::{PeerView, RangeSeen, Summary, View};

#[cfg(test)]
mod tests;

/// Events on their way to the store.
#[derive(Debug)]
struct Applying {
    peer: CentralId,
    ranges: Vec<SeqRange>,
    since: i64,
}

/// One central's catch-up with all its peers.
#[derive(Debug)]
pub struct Catchup {
    me: CentralId,
    limits: Limits,
    mine: Positions,
    /// True from the first complete reading of `mine` on.
    loaded: bool,
    digest: Option<Hash32>,
    /// Streams that changed since the reading under way began; none when no reading is under way.
    touched: Option<BTreeSet<StreamId>>,
    peers: BTreeMap<CentralId, Peer>,
    applying: BTreeMap<Ticket, Applying>,
    /// Streams that moved live not long ago, and when.
    moved: BTreeMap<StreamId, i64>,
    /// Ranges operators closed.
    closed: Closed,
    /// Per stream: this seq and those below it are older than the window.
    old_to: BTreeMap<StreamId, u64>,
    next_request: u64,
    next_ticket: u64,
    announcer: Announcer,
    stall: Stall,
    /// Events stored by way of catch-up since the start.
    backlog_applied: u64,
    /// The store could not take events: nothing is asked for until then.
    store_rests_until: i64,
    store_errors: u32,
    was_catching_up: bool,
    /// What is being got back, and since when.
    phase: (Phase, i64),
    reload_asked_at: Option<i64>,
    outputs: Vec<Output>,
}

impl Catchup {
    /// A catch-up that knows nothing yet. `first_request` numbers the requests of this process: random, so that an answer to an
    /// earlier process is not taken for ours.
    pub fn new(me: CentralId, limits: Limits, first_request: u64) -> Self {
        Self {
            me,
            limits,
            mine: Positions::new(),
            loaded: false,
            digest: None,
            touched: None,
            peers: BTreeMap::new(),
            applying: BTreeMap::new(),
            moved: BTreeMap::new(),
            closed: Closed::default(),
            old_to: BTreeMap::new(),
            next_request: first_request,
            next_ticket: 1,
            announcer: Announcer::default(),
            stall: Stall::default(),
            backlog_applied: 0,
            store_rests_until: i64::MIN,
            store_errors: 0,
            was_catching_up: false,
            phase: (Phase::None, 0),
            reload_asked_at: None,
            outputs: Vec::new(),
        }
    }

    /// What is to be done, in order. Empties the list.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// When [`Self::tick`] is due at the latest, ms.
    pub fn next_tick(&self, now: i64) -> i64 {
        let busy = self.announcer.pending() || self.peers.values().any(Peer::busy);
        let next = now + if busy { self.limits.busy_tick_ms } else { self.limits.idle_tick_ms };
        self.announcer.brought_at().filter(|_| self.loaded).map_or(next, |at| next.min(at.max(now)))
    }

    /// The peers of the configuration. What was known of others is forgotten.
    pub fn configure(&mut self, now: i64, peers: impl IntoIterator<Item = CentralId>) {
        let wanted: BTreeSet<CentralId> = peers.into_iter().filter(|p| *p != self.me).collect();
        self.peers.retain(|id, _| wanted.contains(id));
        for id in wanted {
            self.peers.entry(id).or_insert_with(|| Peer::new(&self.limits));
        }
        self.advance(now);
    }

    /// The peers with a live link, all of them.
    pub fn linked(&mut self, now: i64, connected: &BTreeSet<CentralId>) {
        let ids: Vec<CentralId> = self.peers.keys().cloned().collect();
        for id in ids {
            let Some(p) = self.peers.get_mut(&id) else { continue };
            match (p.linked_at.is_some(), connected.contains(&id)) {
                (false, true) => {
                    p.link_up(now);
                    // With our own old streams in mind: what it held last time can be asked for at once.
                    self.refresh_peer(&id, true);
                }
                (true, false) => p.link_down(),
                _ => {}
            }
        }
        self.advance(now);
    }

    /// A complete reading of this central's holdings begins.
    pub fn reading_began(&mut self) {
        self.touched = Some(BTreeSet::new());
    }

    /// A complete reading ended. It replaces what was believed, except where streams grew meanwhile.
    pub fn holdings_read(&mut self, now: i64, holdings: Vec<StreamHoldings>) {
        let mut read = Positions::from_holdings(holdings);
        for stream in self.touched.take().unwrap_or_default() {
            if let Some(grown) = self.mine.get(&stream) {
                read.entry(&stream).merge(grown);
            }
        }
        let mut changed = Vec::new();
        let mut lost = false;
        let nothing = StreamPositions::default();
        let streams: BTreeSet<&StreamId> =
            self.mine.iter().map(|(id, _)| id).chain(read.iter().map(|(id, _)| id)).collect();
        for id in streams {
            let (old, new) = (self.mine.get(id).unwrap_or(&nothing), read.get(id).unwrap_or(&nothing));
            if old != new {
                changed.push(id.clone());
                lost |= !missing_of(old, new).is_empty();
            }
        }
        self.mine = read;
        self.digest = None;
        let first = !std::mem::replace(&mut self.loaded, true);
        if lost && !first {
            // The store went back (an older copy): changes cannot say that, the whole map can.
            for p in self.peers.values_mut() {
                p.owe_whole = true;
            }
        }
        self.own_changed(now, changed, false);
        self.advance(now);
    }

    /// Streams grew: the store says so after a commit. Older news than what is known is harmless.
    pub fn holdings_changed(&mut self, now: i64, holdings: Vec<StreamHoldings>) {
        self.take_own(now, holdings, false);
        self.advance(now);
    }

    /// The same for events that did not come live and that nobody gets live: old ones brought in.
    pub fn holdings_brought(&mut self, now: i64, holdings: Vec<StreamHoldings>) {
        self.take_own(now, holdings, true);
        self.advance(now);
    }

    fn take_own(&mut self, now: i64, holdings: Vec<StreamHoldings>, brought: bool) {
        let mut changed = Vec::new();
        for told in holdings {
            let (stream, new) = StreamPositions::from_holdings(told);
            if let Some(touched) = &mut self.touched {
                touched.insert(stream.clone());
            }
            if grow(&mut self.mine, &stream, new) {
                changed.push(stream);
            }
        }
        if !changed.is_empty() {
            self.digest = None;
            if !brought {
                let of_pages = of_pages(&self.applying);
                self.moved.extend(changed.iter().filter(|s| !of_pages.contains(s)).map(|s| (s.clone(), now)));
            }
            self.own_changed(now, changed, brought);
        }
    }

    fn own_changed(&mut self, now: i64, streams: Vec<StreamId>, brought: bool) {
        let ids: Vec<CentralId> = self.peers.keys().cloned().collect();
        for id in &ids {
            for stream in &streams {
                self.refresh(id, stream, false);
            }
        }
        let of_pages = of_pages(&self.applying);
        let streams = streams.into_iter().map(|s| {
            let brought = brought || of_pages.contains(&s);
            (s, brought)
        });
        self.announcer.changed(now, streams.collect());
    }

    /// Time passes.
    pub fn tick(&mut self, now: i64) {
        self.advance(now);
    }

    /// The store is there, after it was not: nothing waits for it any longer.
    pub fn store_is_back(&mut self, now: i64) {
        self.store_errors = 0;
        self.store_rests_until = i64::MIN;
        self.advance(now);
    }

    /// Brings everything up to the moment: leases, requests, announcements, alarms.
    fn advance(&mut self, now: i64) {
        self.expire(now);
        self.plan(now);
        self.announce(now);
        self.watch(now);
    }

    /// The ranges operators closed, all of them: missing or not, they raise no alarm and are not named as missing any more. What
    /// surfaces of them is asked for as ever.
    pub fn close(&mut self, closed: Closed) {
        self.closed = closed;
    }

    /// Digest of this central's own map.
    pub fn digest(&mut self) -> Hash32 {
        *self.digest.get_or_insert_with(|| self.mine.digest())
    }

    /// This central's own map, as last known.
    pub fn positions(&self) -> &Positions {
        &self.mine
    }

    /// Events stored by way of catch-up since the start.
    pub fn backlog_applied(&self) -> u64 {
        self.backlog_applied
    }

    /// True from the first reading of the own holdings on.
    pub fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// True when a peer's map is known to be this one.
    #[cfg(test)]
    fn peer_is_known(&self, peer: &CentralId, digest: Hash32) -> bool {
        self.peers.get(peer).is_some_and(|p| p.fresh && p.map.digest() == digest)
    }

    fn ask_reload(&mut self, now: i64) {
        if self.reload_asked_at.is_none_or(|at| now - at >= self.limits.reload_gap_ms) {
            self.reload_asked_at = Some(now);
            self.outputs.push(Output::Reload);
        }
    }

    /// Works out again what a peer and this central can give each other of one stream.
    fn refresh(&mut self, peer: &CentralId, stream: &StreamId, at_once: bool) {
        let nothing = StreamPositions::default();
        let mine = self.mine.get(stream).unwrap_or(&nothing);
        if let Some(p) = self.peers.get_mut(peer) {
            p.refresh(stream, mine, at_once);
        }
    }

    /// The same for all streams either of the two holds.
    fn refresh_peer(&mut self, peer: &CentralId, at_once: bool) {
        let Some(p) = self.peers.get(peer) else { return };
        let streams: BTreeSet<StreamId> = p
            .map
            .iter()
            .map(|(id, _)| id)
            .chain(self.mine.iter().map(|(id, _)| id))
            .chain(p.wants.keys())
            .chain(p.lacks.keys())
            .cloned()
            .collect();
        for stream in &streams {
            self.refresh(peer, stream, at_once);
        }
    }
}

/// Streams of pages on their way to the store, which tells of their events before it answers for them.
fn of_pages(applying: &BTreeMap<Ticket, Applying>) -> BTreeSet<&StreamId> {
    applying.values().flat_map(|a| a.ranges.iter().map(|r| &r.stream)).collect()
}

/// Takes in news of one stream where news may be older than what is known: only growth counts. True when anything changed.
fn grow(map: &mut Positions, stream: &StreamId, new: StreamPositions) -> bool {
    if new.head() == 0 {
        return false;
    }
    let known = map.entry(stream);
    if *known == new {
        return false;
    }
    if missing_of(known, &new).is_empty() {
        *known = new;
        return true;
    }
    let before = known.clone();
    known.merge(&new);
    *known != before
}
