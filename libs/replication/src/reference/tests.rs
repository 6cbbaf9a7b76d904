//! Several centrals, messages that are lost, and a source that fails.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::hash::Hash32;
use wire::id::CentralId;
use wire::mesh::Message;
use wire::reference::{DocumentId, DocumentKind, Held, PART_BYTES, part, parts_of};

use super::{Exchange, Output, Stored};

fn central(n: usize) -> CentralId {
    CentralId::new(&format!("central-{n}")).unwrap()
}

/// A document of this many bytes; its content follows from its name.
fn document(kind: DocumentKind, version: i64, bytes: usize) -> (Held, Vec<u8>) {
    let content = vec![u8::try_from(version % 251).unwrap(); bytes];
    let id = DocumentId { kind, version, hash: Hash32([u8::try_from(version % 251).unwrap(); 32]) };
    let held = Held { id, parts: parts_of(bytes), fetched_at: version, fetched_by: central(1) };
    (held, content)
}

/// What a ledger holds.
type Shelf = BTreeMap<DocumentId, (Held, Vec<u8>)>;

/// Centrals with their stores; links as a set of pairs.
struct Net {
    now: i64,
    nodes: Vec<(Exchange, Shelf)>,
    cut: BTreeSet<(usize, usize)>,
    wire: VecDeque<(usize, usize, Message)>,
    /// One in so many messages is lost; 0 = none.
    lose: u64,
    sent: usize,
    bad: BTreeSet<DocumentId>,
}

impl Net {
    fn new(n: usize) -> Self {
        Self {
            now: 1_000_000,
            nodes: (0..n).map(|_| Default::default()).collect(),
            cut: BTreeSet::new(),
            wire: VecDeque::new(),
            lose: 0,
            sent: 0,
            bad: BTreeSet::new(),
        }
    }

    fn linked(&self, a: usize, b: usize) -> bool {
        a != b && !self.cut.contains(&(a.min(b), a.max(b)))
    }

    fn holds(&mut self, node: usize) {
        let held = self.nodes[node].1.values().map(|(h, _)| h.clone()).collect();
        self.nodes[node].0.holds(self.now, held);
    }

    /// The external API gave this one a document.
    fn publish(&mut self, node: usize, (held, bytes): (Held, Vec<u8>)) {
        self.nodes[node].1.insert(held.id, (held, bytes));
        self.holds(node);
    }

    fn run(&mut self, seconds: i64) {
        let end = self.now + seconds * 1000;
        while self.now < end {
            self.now += 1000;
            for n in 0..self.nodes.len() {
                let connected = (0..self.nodes.len()).filter(|p| self.linked(n, *p)).map(central).collect();
                self.nodes[n].0.linked(self.now, &connected);
                self.nodes[n].0.tick(self.now);
                self.act(n);
            }
            while let Some((from, to, message)) = self.wire.pop_front() {
                if self.linked(from, to) {
                    assert!(self.nodes[to].0.heard(self.now, &central(from), message));
                    self.act(to);
                }
            }
        }
    }

    fn act(&mut self, n: usize) {
        loop {
            let outputs = self.nodes[n].0.take_outputs();
            if outputs.is_empty() {
                return;
            }
            for o in outputs {
                match o {
                    Output::Send { to, message } => {
                        let all =
                            (0..self.nodes.len()).filter(|p| to.as_ref().is_none_or(|t| *t == central(*p)));
                        for p in all.filter(|p| *p != n) {
                            self.sent += 1;
                            // Mixed, so that losses do not keep step with the conversation.
                            let mixed = (self.sent as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                            if self.lose == 0 || !mixed.is_multiple_of(self.lose) {
                                self.wire.push_back((n, p, message.clone()));
                            }
                        }
                    }
                    Output::Read { to, document, part: k } => {
                        let bytes =
                            self.nodes[n].1.get(&document).and_then(|(_, b)| part(b, k)).map(<[u8]>::to_vec);
                        self.nodes[n].0.part_read(to, document, k, bytes);
                    }
                    Output::Store { held, packed, .. } => {
                        let stored = if self.bad.contains(&held.id) {
                            Stored::Refused
                        } else {
                            self.nodes[n].1.insert(held.id, (held.clone(), packed));
                            Stored::Taken
                        };
                        self.nodes[n].0.stored(self.now, held.id, stored);
                    }
                }
            }
        }
    }

    fn newest(&self, node: usize, kind: DocumentKind) -> Option<i64> {
        self.nodes[node].1.keys().filter(|id| id.kind == kind).map(|id| id.version).max()
    }
}

#[test]
fn a_document_reaches_who_is_linked_to_nobody_that_fetched_it() {
    let mut net = Net::new(4);
    for n in 0..4 {
        net.holds(n);
    }
    // A chain: 0 – 1 – 2 – 3.
    net.cut = BTreeSet::from([(0, 2), (0, 3), (1, 3)]);
    let (held, bytes) = document(DocumentKind::Subscriptions, 7, 5 * PART_BYTES + 3);
    net.publish(0, (held.clone(), bytes.clone()));
    net.run(10);
    for n in 1..4 {
        assert_eq!(net.nodes[n].1.get(&held.id), Some(&(held.clone(), bytes.clone())), "central {n}");
    }
}

#[test]
fn lost_messages_only_cost_time() {
    let mut net = Net::new(3);
    for n in 0..3 {
        net.holds(n);
    }
    net.lose = 3;
    for version in 1..=3 {
        net.publish(0, document(DocumentKind::RateTables, version, 2 * PART_BYTES));
    }
    net.run(3 * 3600);
    for n in 1..3 {
        assert_eq!(net.nodes[n].1.len(), 3, "central {n} has every version of the rate tables");
    }
}

#[test]
fn a_new_version_overtakes_and_an_old_one_is_not_fetched() {
    let mut net = Net::new(2);
    net.publish(0, document(DocumentKind::Staff, 3, 10));
    net.publish(1, document(DocumentKind::Staff, 5, 10));
    net.run(5);
    assert_eq!(net.newest(0, DocumentKind::Staff), Some(5));
    assert_eq!(net.nodes[1].1.len(), 1);
}

#[test]
fn a_bad_document_is_asked_for_once() {
    let mut net = Net::new(2);
    net.holds(1);
    let (held, bytes) = document(DocumentKind::Staff, 9, 10);
    net.bad.insert(held.id);
    net.publish(0, (held, bytes));
    net.run(5);
    let sent = net.sent;
    net.run(1200);
    assert_eq!(net.newest(1, DocumentKind::Staff), None);
    assert!(net.sent - sent <= 4, "told again, not asked again");
}

#[test]
fn a_source_that_goes_silent_is_left_for_another() {
    let mut net = Net::new(3);
    net.holds(2);
    let (held, bytes) = document(DocumentKind::Staff, 9, 10);
    net.publish(1, (held.clone(), bytes));
    // Central 0 says it holds it, and never gives it.
    let told = Message::ReferenceHeld(wire::reference::ReferenceHeld { documents: vec![held.clone()] });
    net.nodes[2].0.linked(net.now, &BTreeSet::from([central(0), central(1)]));
    net.nodes[2].0.heard(net.now, &central(0), told);
    net.cut.insert((0, 1));
    net.run(20);
    assert!(net.nodes[2].1.contains_key(&held.id));
}

#[test]
fn nothing_is_missing_before_the_ledger_has_spoken() {
    let mut e = Exchange::default();
    let (held, _) = document(DocumentKind::Staff, 1, 10);
    e.linked(0, &BTreeSet::from([central(1)]));
    e.heard(0, &central(1), Message::ReferenceHeld(wire::reference::ReferenceHeld { documents: vec![held] }));
    assert!(e.take_outputs().is_empty());
    e.holds(1, Vec::new());
    let questions = e
        .take_outputs()
        .into_iter()
        .filter(|o| matches!(o, Output::Send { message: Message::ReferenceQuestion(_), .. }));
    assert_eq!(questions.count(), 1);
}
