//! An exit found no entry while gaps are open: which peer has this vehicle?

use std::collections::BTreeMap;

use wire::bus::events::ApplyReply;
use wire::hash::PlateTag;
use wire::id::CentralId;
use wire::mesh::{Message, PlateAnswer, PlateQuestion};

use super::Mesh;
use super::event::{Found, LinkId, Now, Output};

/// No fold needs more.
const MAX_EVENTS: u32 = 500;
/// Questions of peers answered at once; more are dropped and the asker goes on without.
const AT_ONCE: usize = 16;
/// Nobody at a barrier waits longer, µs.
const MAX_WAIT_US: u64 = 2_000_000;

/// A question of this central.
#[derive(Debug)]
struct Question {
    until: u64,
    /// Peers that have not answered; one that runs twice stands here twice.
    open: Vec<CentralId>,
    /// Answers the ledger is storing.
    applying: Vec<u64>,
    found: Found,
}

/// Questions of both directions.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    asked: BTreeMap<u64, Question>,
    /// Link and number of peers' questions whose answer the ledger is reading.
    answering: BTreeMap<u64, (LinkId, u64)>,
}

impl Lookups {
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.asked.values().map(|q| q.until).min()
    }
}

impl Mesh {
    /// Asks every connected peer for a vehicle. [`Output::Found`] comes within the time, and once only. Returns the question's
    /// number.
    pub fn ask_peers(&mut self, now: Now, tag: PlateTag, wait_ms: u64) -> u64 {
        let id = self.number();
        let links = self.primaries(None);
        let mut open = Vec::new();
        if let Ok(question) = Message::PlateQuestion(PlateQuestion { id, tag }).encode() {
            let question = bytes::Bytes::from(question);
            for link in links {
                open.extend(self.links.get(&link).and_then(|l| l.peer.clone()));
                self.hand(now, link, question.clone());
            }
        }
        let until = now.us + wait_ms.saturating_mul(1000).min(MAX_WAIT_US);
        let found = Found { asked: open.len(), ..Found::default() };
        self.lookups.asked.insert(id, Question { until, open, applying: Vec::new(), found });
        self.finish_lookup(id);
        self.arm(until);
        id
    }

    /// A peer's answer; one nobody waits for, or that came already, is left.
    pub(super) fn answer_came(&mut self, peer: &CentralId, answer: PlateAnswer) {
        let request = self.number();
        let Some(q) = self.lookups.asked.get_mut(&answer.id) else { return };
        let Some(at) = q.open.iter().position(|p| p == peer) else { return };
        q.open.swap_remove(at);
        q.found.answered += 1;
        q.applying.push(request);
        self.outputs.push(Output::ApplyPage { request, peer: peer.clone(), page: answer.page });
    }

    /// The events of an answer were stored, or not.
    pub(super) fn answer_applied(&mut self, request: u64, outcome: &Result<ApplyReply, String>) {
        let of = self.lookups.asked.iter_mut().find(|(_, q)| q.applying.contains(&request));
        let Some((id, q)) = of else { return };
        let id = *id;
        q.applying.retain(|r| *r != request);
        q.found.stored += outcome.as_ref().map_or(0, |reply| reply.stored);
        self.finish_lookup(id);
    }

    fn finish_lookup(&mut self, id: u64) {
        let done = self.lookups.asked.get(&id).is_some_and(|q| q.open.is_empty() && q.applying.is_empty());
        if done && let Some(q) = self.lookups.asked.remove(&id) {
            self.outputs.push(Output::Found { question: id, found: q.found });
        }
    }

    /// Ends the questions whose time is up.
    pub(super) fn lookups_due(&mut self, now: Now) {
        let late: Vec<u64> =
            self.lookups.asked.iter().filter(|(_, q)| q.until <= now.us).map(|(id, _)| *id).collect();
        for id in late {
            if let Some(q) = self.lookups.asked.remove(&id) {
                self.outputs.push(Output::Found { question: id, found: q.found });
            }
        }
    }

    /// A peer asks.
    pub(super) fn question_came(&mut self, link: LinkId, question: PlateQuestion) {
        if self.lookups.answering.len() >= AT_ONCE {
            return;
        }
        let request = self.number();
        self.lookups.answering.insert(request, (link, question.id));
        self.outputs.push(Output::ReadPlate { request, tag: question.tag, max_events: MAX_EVENTS });
    }

    /// The ledger has read what a peer asked for: a page, or none when it is away.
    pub fn plate_read(&mut self, now: Now, request: u64, page: Option<Vec<u8>>) {
        let Some((link, id)) = self.lookups.answering.remove(&request) else { return };
        if let Some(page) = page
            && let Ok(answer) = Message::PlateAnswer(PlateAnswer { id, page }).encode()
        {
            self.hand(now, link, answer.into());
        }
    }
}
