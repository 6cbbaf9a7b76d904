//! Answers to the requests of peers: one request per peer at a time, few pages at once, everything bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::event::Frame;
use wire::id::CentralId;
use wire::mesh::{Message, SyncRequest, SyncResponse};
use wire::page::{self, BadPage};

use super::Sync;
use super::event::{Note, Output};
use crate::catchup::{Answer, Brought, runs};

/// Requests of one peer that wait; it sends the next one only after an answer or a time-out.
const WAITING: usize = 2;
/// Reads at once, all peers together.
const AT_ONCE: usize = 2;
/// Pages of one answer; whoever wants more asks again.
const PAGES: u32 = 8;
/// Events of one read.
const READ_EVENTS: u64 = 4000;

/// A page, and what it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    page: Vec<u8>,
    brought: Vec<Brought>,
}

/// Packs events that were read into pages. Takes time: not to be done where others wait.
pub fn pack(frames: &[Frame]) -> Result<Vec<Packed>, BadPage> {
    let (mut out, mut rest) = (Vec::new(), frames);
    while !rest.is_empty() {
        let (page, n) = page::pack(rest)?;
        let (now, later) = rest.split_at(n.max(1).min(rest.len()));
        out.push(Packed { page, brought: runs(now) });
        rest = later;
    }
    Ok(out)
}

/// An answer under way.
#[derive(Debug)]
struct Answering {
    answer: Answer,
    pages: u32,
    events: u64,
}

/// The queues of requests, one per peer.
#[derive(Debug)]
pub(super) struct Answers {
    max_events: u32,
    waiting: BTreeMap<CentralId, VecDeque<SyncRequest>>,
    under_way: BTreeMap<CentralId, Answering>,
    /// Whose answer is to be read on.
    turns: VecDeque<CentralId>,
    /// By the number of the read.
    reading: BTreeMap<u64, CentralId>,
}

impl Answers {
    pub(super) fn new(max_events: u32) -> Self {
        Self {
            max_events,
            waiting: BTreeMap::new(),
            under_way: BTreeMap::new(),
            turns: VecDeque::new(),
            reading: BTreeMap::new(),
        }
    }

    /// Nobody but these peers is answered any more.
    pub(super) fn keep(&mut self, peers: &BTreeSet<CentralId>) {
        self.waiting.retain(|id, _| peers.contains(id));
        self.under_way.retain(|id, _| peers.contains(id));
        self.turns.retain(|id| peers.contains(id));
        self.reading.retain(|_, id| peers.contains(id));
    }
}

impl Sync {
    /// Takes a request. One that finds the queue full is left: the asker's lease ends and it asks again.
    pub(super) fn request_came(&mut self, from: &CentralId, request: SyncRequest) {
        let queue = self.answers.waiting.entry(from.clone()).or_default();
        if queue.len() >= WAITING {
            return self.outputs.push(Output::Note(Note::RequestLeft { peer: from.clone() }));
        }
        queue.push_back(request);
        self.next_answer(from);
        self.read_on();
    }

    /// Begins with the next request of a peer.
    fn next_answer(&mut self, peer: &CentralId) {
        let a = &mut self.answers;
        if a.under_way.contains_key(peer) {
            return;
        }
        let Some(request) = a.waiting.get_mut(peer).and_then(VecDeque::pop_front) else { return };
        let answer = Answer::new(request, a.max_events, PAGES);
        a.under_way.insert(peer.clone(), Answering { answer, pages: 0, events: 0 });
        a.turns.push_back(peer.clone());
    }

    fn read_on(&mut self) {
        while self.answers.reading.len() < AT_ONCE {
            let Some(peer) = self.answers.turns.pop_front() else { return };
            let Some(a) = self.answers.under_way.get(&peer) else { continue };
            match a.answer.next() {
                Some((ranges, events)) => {
                    let (ranges, max_events) = (ranges.to_vec(), events.min(READ_EVENTS));
                    let request = self.number();
                    self.answers.reading.insert(request, peer);
                    self.outputs.push(Output::ReadRanges { request, ranges, max_events });
                }
                None => self.end_answer(&peer, None),
            }
        }
    }

    /// What is being read is not answered any more: it is read again.
    pub(super) fn reads_lost(&mut self) {
        for peer in std::mem::take(&mut self.answers.reading).into_values() {
            self.answers.turns.push_front(peer);
        }
        self.read_on();
    }

    /// The events held of the ranges asked for, from the front, and whether there are more; or why they cannot be read.
    pub fn ranges_read(&mut self, now: i64, request: u64, read: Result<(Vec<Packed>, bool), String>) {
        let Some(peer) = self.answers.reading.remove(&request) else { return };
        match read {
            Ok((pages, more)) => self.send_pages(&peer, pages, more),
            Err(reason) => self.end_answer(&peer, Some(reason)),
        }
        self.read_on();
        self.after(now);
    }

    fn send_pages(&mut self, peer: &CentralId, pages: Vec<Packed>, more: bool) {
        let Some(a) = self.answers.under_way.get_mut(peer) else { return };
        let (mut taken, mut left) = (Vec::new(), pages.into_iter());
        for p in left.by_ref() {
            let room = a.answer.sent(&p.brought);
            a.pages += 1;
            a.events += p.brought.iter().map(|b| b.range.len()).sum::<u64>();
            let response = SyncResponse { id: a.answer.id(), more: true, not_held: Vec::new(), page: p.page };
            let message = Message::SyncResponse(response);
            self.outputs.push(Output::Send { to: Some(peer.clone()), message });
            taken.extend(p.brought);
            if !room {
                break;
            }
        }
        a.answer.read_to(&taken, more || left.next().is_some());
        self.answers.turns.push_back(peer.clone());
    }

    /// The end is told even when the ledger is away, so that the peer asks another one without waiting for the lease.
    fn end_answer(&mut self, peer: &CentralId, trouble: Option<String>) {
        let Some(a) = self.answers.under_way.remove(peer) else { return };
        let not_held = if trouble.is_none() { a.answer.not_held() } else { Vec::new() };
        let response = SyncResponse { id: a.answer.id(), more: false, not_held, page: Vec::new() };
        let message = Message::SyncResponse(response);
        self.outputs.push(Output::Send { to: Some(peer.clone()), message });
        self.outputs.push(Output::Note(match trouble {
            None => Note::Answered { peer: peer.clone(), pages: a.pages, events: a.events },
            Some(reason) => Note::NotAnswered { peer: peer.clone(), reason },
        }));
        self.next_answer(peer);
    }
}
