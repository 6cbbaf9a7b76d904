//! Reference documents between centrals: each tells what it holds, and asks whoever holds something better.
//!
//! No central is special: who has access to the external API gets its documents there, everybody else from whoever has them.
//! Documents are immutable under their [`DocumentId`], so a part is a part whoever gives it. Of rate tables all versions that are
//! kept travel (stays are priced by what held when they began), of staff and passes the best one.

mod event;
#[cfg(test)]
mod tests;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use wire::id::CentralId;
use wire::mesh::Message;
use wire::reference::{
    DocumentId, Held, MAX_PARTS, PART_BYTES, ReferenceAnswer, ReferenceHeld, ReferenceQuestion,
};

pub use event::{Output, Stored};

/// What is held is told again after so long, ms: a message may have been lost. Four times as long each time, since an idle link should
/// be one and a message is not lost again and again.
const TELL_MS: i64 = 10 * 60_000;
/// And at the latest after so long, ms.
const TELL_LATEST_MS: i64 = 24 * 3_600_000;
/// A part that does not come within this is asked of somebody else, ms.
const PART_MS: i64 = 5_000;
/// A source or a store that failed is left alone for so long, ms.
const REST_MS: i64 = 10_000;
/// Documents of one peer that are believed at most.
const MAX_TOLD: usize = 64;

/// A document on its way here.
#[derive(Debug)]
struct Fetching {
    held: Held,
    from: CentralId,
    next: u32,
    bytes: Vec<u8>,
    asked_at: i64,
    /// All parts are there; the ledger has it.
    storing: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Exchange {
    /// None until the ledger said it: then nothing is known to be missing.
    held: Option<BTreeMap<DocumentId, Held>>,
    peers: BTreeMap<CentralId, BTreeMap<DocumentId, Held>>,
    fetching: Option<Fetching>,
    /// What came of a document before its source went silent: the same source may go on with it. (Another one may have packed it
    /// otherwise.)
    broken_off: Option<Fetching>,
    /// Found bad here: never asked for again by this process.
    refused: BTreeSet<DocumentId>,
    /// Left alone until then.
    resting: BTreeMap<(CentralId, DocumentId), i64>,
    told_at: i64,
    /// Tellings since something changed.
    repeated: u32,
    outputs: Vec<Output>,
}

impl Exchange {
    /// What to do, in order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// The ledger says what it holds.
    pub fn holds(&mut self, now: i64, held: Vec<Held>) {
        let held: BTreeMap<_, _> = held.into_iter().map(|h| (h.id, h)).collect();
        if self.held.as_ref() != Some(&held) {
            self.held = Some(held);
            self.repeated = 0;
            self.tell(now, None);
        }
        self.go_on(now);
    }

    /// Mesh says who is linked.
    pub fn linked(&mut self, now: i64, connected: &BTreeSet<CentralId>) {
        self.peers.retain(|p, _| connected.contains(p));
        for new in connected.iter().filter(|p| !self.peers.contains_key(*p)).cloned().collect::<Vec<_>>() {
            self.tell(now, Some(new.clone()));
            self.repeated = 0;
            self.peers.insert(new, BTreeMap::new());
        }
        if self.fetching.as_ref().is_some_and(|f| !f.storing && !connected.contains(&f.from)) {
            self.fetching = None;
        }
        self.go_on(now);
    }

    /// A peer says something. False for what is none of this.
    pub fn heard(&mut self, now: i64, from: &CentralId, message: Message) -> bool {
        match message {
            Message::ReferenceHeld(told) => {
                let believed = told.documents.into_iter().filter(|h| (1..=MAX_PARTS).contains(&h.parts));
                let believed = believed.take(MAX_TOLD).map(|h| (h.id, h)).collect();
                self.peers.insert(from.clone(), believed);
                self.go_on(now);
            }
            Message::ReferenceQuestion(q) => {
                self.outputs.push(Output::Read { to: from.clone(), document: q.document, part: q.part });
            }
            Message::ReferenceAnswer(a) => self.part_came(now, from, a),
            _ => return false,
        }
        true
    }

    /// The ledger gave a part that a peer asked for.
    pub fn part_read(&mut self, to: CentralId, document: DocumentId, part: u32, bytes: Option<Vec<u8>>) {
        let bytes = bytes.map(Into::into);
        let message = Message::ReferenceAnswer(ReferenceAnswer { document, part, bytes });
        self.outputs.push(Output::Send { to: Some(to), message });
    }

    /// What became of a document handed to the ledger.
    pub fn stored(&mut self, now: i64, document: DocumentId, stored: Stored) {
        let Some(f) = self.fetching.take_if(|f| f.storing && f.held.id == document) else { return };
        match stored {
            Stored::Taken => {
                if let Some(held) = &mut self.held {
                    held.insert(document, f.held);
                }
                self.repeated = 0;
                self.tell(now, None);
            }
            Stored::Refused => {
                self.refused.insert(document);
            }
            Stored::Failed => {
                self.resting.insert((f.from, document), now + REST_MS);
            }
        }
        self.go_on(now);
    }

    /// Time passed.
    pub fn tick(&mut self, now: i64) {
        let wait = TELL_MS.saturating_mul(4i64.saturating_pow(self.repeated)).min(TELL_LATEST_MS);
        if now - self.told_at >= wait {
            self.repeated = self.repeated.saturating_add(1);
            self.tell(now, None);
        }
        if let Some(f) = self.fetching.take_if(|f| !f.storing && now - f.asked_at >= PART_MS) {
            self.resting.insert((f.from.clone(), f.held.id), now + REST_MS);
            self.broken_off = Some(f);
        }
        self.resting.retain(|_, until| *until > now);
        self.go_on(now);
    }

    /// What each linked peer said it holds.
    pub fn peers(&self) -> impl Iterator<Item = (&CentralId, impl Iterator<Item = &Held>)> {
        self.peers.iter().map(|(p, held)| (p, held.values()))
    }

    fn tell(&mut self, now: i64, to: Option<CentralId>) {
        let Some(held) = &self.held else { return };
        if to.is_none() {
            self.told_at = now;
        }
        let documents = held.values().take(MAX_TOLD).cloned().collect();
        let message = Message::ReferenceHeld(ReferenceHeld { documents });
        self.outputs.push(Output::Send { to, message });
    }

    fn part_came(&mut self, now: i64, from: &CentralId, a: ReferenceAnswer) {
        let Some(f) = &mut self.fetching else { return };
        if f.storing || f.from != *from || f.held.id != a.document || f.next != a.part {
            return;
        }
        let Some(bytes) = a.bytes.filter(|b| !b.is_empty() && b.len() <= PART_BYTES) else {
            self.resting.insert((from.clone(), a.document), now + REST_MS);
            self.fetching = None;
            return self.go_on(now);
        };
        f.bytes.extend_from_slice(&bytes);
        f.next += 1;
        f.asked_at = now;
        if f.next < f.held.parts {
            return self.ask();
        }
        f.storing = true;
        let packed = std::mem::take(&mut f.bytes);
        self.outputs.push(Output::Store { peer: from.clone(), held: f.held.clone(), packed });
    }

    fn ask(&mut self) {
        let Some(f) = &self.fetching else { return };
        let question = ReferenceQuestion { document: f.held.id, part: f.next };
        let message = Message::ReferenceQuestion(question);
        self.outputs.push(Output::Send { to: Some(f.from.clone()), message });
    }

    /// Begins with the next document that is wanted and to be had.
    fn go_on(&mut self, now: i64) {
        let Some(held) = self.held.as_ref().filter(|_| self.fetching.is_none()) else { return };
        let told = self.peers.values().flat_map(BTreeMap::keys).copied().collect();
        let wanted = wanted::wanted(&held.keys().copied().collect(), &told);
        let next = wanted.into_iter().filter(|id| !self.refused.contains(id)).find_map(|id| {
            let sources = self.peers.iter().filter_map(|(p, told)| Some((p, told.get(&id)?)));
            let mut awake = sources.filter(|(p, _)| !self.resting.contains_key(&((*p).clone(), id)));
            awake.next().map(|(p, h)| (p.clone(), h.clone()))
        });
        if let Some((from, held)) = next {
            let begun = self.broken_off.take_if(|f| f.from == from && f.held == held);
            let new = || Fetching { held, from, next: 0, bytes: Vec::new(), asked_at: now, storing: false };
            self.fetching = Some(begun.map_or_else(new, |f| Fetching { asked_at: now, ..f }));
            self.ask();
        }
    }
}
