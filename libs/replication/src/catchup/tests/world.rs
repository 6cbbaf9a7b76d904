//! A toy world: nodes with a store each, links that drop, delay and cut, one queue of moments. Seeded; no other chance in it.

use std::collections::{BTreeMap, BTreeSet};

use wire::hash::Hash32;
use wire::id::{CentralId, Incarnation};
use wire::mesh::Message;
use wire::position::{SeqRange, StreamId};

use crate::catchup::{Brought, Catchup, Limits, Outcome, Output, Page, Ticket, Verdict};
use crate::positions::{Positions, count, missing};

pub(super) fn central(n: usize) -> CentralId {
    CentralId::new(&format!("central-{n}")).unwrap()
}

pub(super) fn stream(n: usize) -> StreamId {
    StreamId { central: central(n), incarnation: Incarnation(7 + n as u128) }
}

pub(super) fn hash(stream: &StreamId, seq: u64) -> Hash32 {
    Hash32::of(&[stream.to_string().as_bytes(), &seq.to_be_bytes()])
}

/// A small seeded generator.
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n.max(1)
    }
}

#[derive(Debug)]
enum Net {
    Wire(Message),
    Page(Page),
    Live(StreamId, u64),
}

#[derive(Debug)]
enum Moment {
    Deliver { from: usize, to: usize, net: Net },
    Applied { node: usize, ticket: Ticket, ranges: Vec<SeqRange> },
    Read { node: usize },
    Tick { node: usize },
}

pub(super) struct Node {
    pub(super) store: Positions,
    pub(super) catchup: Catchup,
    links: BTreeSet<CentralId>,
    /// Refuses to answer requests.
    pub(super) deaf: bool,
    /// Cannot store.
    pub(super) broken: bool,
    pub(super) requests: Vec<(usize, Vec<SeqRange>)>,
    pub(super) stalls: Vec<String>,
    pub(super) stored_by_page: u64,
    pub(super) known_by_page: u64,
}

pub(super) struct World {
    pub(super) now: i64,
    pub(super) nodes: Vec<Node>,
    queue: BTreeMap<(i64, u64), Moment>,
    n: u64,
    chance: Chance,
    /// Messages lost, per mille.
    pub(super) loss: u64,
    /// Longest way, ms.
    pub(super) delay: u64,
    pub(super) page_events: u64,
    /// Messages of a pair keep their order, as on one link.
    pub(super) in_order: bool,
    last_way: BTreeMap<(usize, usize), i64>,
}

impl World {
    pub(super) fn new(nodes: usize, seed: u64, limits: &Limits) -> Self {
        let all: Vec<CentralId> = (0..nodes).map(central).collect();
        let make = |n: usize| {
            let mut catchup = Catchup::new(central(n), limits.clone(), 1000 * n as u64);
            catchup.configure(0, all.clone());
            Node {
                store: Positions::new(),
                catchup,
                links: BTreeSet::new(),
                deaf: false,
                broken: false,
                requests: Vec::new(),
                stalls: Vec::new(),
                stored_by_page: 0,
                known_by_page: 0,
            }
        };
        let mut w = Self {
            now: 0,
            nodes: (0..nodes).map(make).collect(),
            queue: BTreeMap::new(),
            n: 0,
            chance: Chance::new(seed),
            loss: 0,
            delay: 20,
            page_events: 100,
            in_order: true,
            last_way: BTreeMap::new(),
        };
        for node in 0..nodes {
            w.at(0, Moment::Read { node });
            w.at(0, Moment::Tick { node });
        }
        w
    }

    fn at(&mut self, after: i64, m: Moment) {
        self.n += 1;
        self.queue.insert((self.now + after, self.n), m);
    }

    /// Puts events into a node's store as if they had always been there.
    pub(super) fn fill(&mut self, node: usize, of: usize, seqs: impl IntoIterator<Item = u64>) {
        let s = stream(of);
        for seq in seqs {
            self.nodes[node].store.entry(&s).insert(seq, hash(&s, seq));
        }
    }

    /// An event happens at a node and goes live to every linked one.
    pub(super) fn happen(&mut self, node: usize) {
        let s = stream(node);
        let seq = self.nodes[node].store.get(&s).map_or(0, |p| p.head()) + 1;
        self.take_in(node, &s, seq);
        for to in 0..self.nodes.len() {
            if self.is_linked(node, to) {
                self.send(node, to, Net::Live(s.clone(), seq));
            }
        }
    }

    fn take_in(&mut self, node: usize, s: &StreamId, seq: u64) {
        let now = self.now;
        let n = &mut self.nodes[node];
        if n.store.entry(s).insert(seq, hash(s, seq)) {
            let told = n.store.get(s).map(|p| p.to_holdings(s)).into_iter().collect();
            n.catchup.holdings_changed(now, told);
            self.act(node);
        }
    }

    pub(super) fn is_linked(&self, a: usize, b: usize) -> bool {
        self.nodes[a].links.contains(&central(b))
    }

    pub(super) fn link(&mut self, a: usize, b: usize, up: bool) {
        for (x, y) in [(a, b), (b, a)] {
            let now = self.now;
            let n = &mut self.nodes[x];
            let changed = if up { n.links.insert(central(y)) } else { n.links.remove(&central(y)) };
            if changed {
                let links = n.links.clone();
                n.catchup.linked(now, &links);
                self.act(x);
            }
        }
    }

    pub(super) fn link_all(&mut self) {
        for a in 0..self.nodes.len() {
            for b in 0..a {
                self.link(a, b, true);
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, net: Net) {
        if self.chance.below(1000) >= self.loss {
            let mut at = self.now + 1 + self.chance.below(self.delay) as i64;
            if self.in_order {
                let last = self.last_way.entry((from, to)).or_insert(at);
                at = at.max(*last);
                *last = at;
            }
            self.at(at - self.now, Moment::Deliver { from, to, net });
        }
    }

    fn act(&mut self, node: usize) {
        for o in self.nodes[node].catchup.take_outputs() {
            match o {
                Output::Send { to, message } => {
                    for n in 0..self.nodes.len() {
                        let meant = to.as_ref().is_none_or(|t| *t == central(n));
                        if meant && self.is_linked(node, n) {
                            if let Message::SyncRequest(r) = &message {
                                self.nodes[node].requests.push((n, r.ranges.clone()));
                            }
                            self.send(node, n, Net::Wire(message.clone()));
                        }
                    }
                }
                Output::Reload => self.at(5, Moment::Read { node }),
                Output::Stalled(c) => self.nodes[node].stalls.push(c.to_string()),
                Output::Publish | Output::Moving => {}
            }
        }
        self.check(node);
    }

    /// What is believed agrees with what follows from the maps, after every step.
    fn check(&self, node: usize) {
        let n = &self.nodes[node];
        for (id, p) in &n.catchup.peers {
            let may: u64 = count(&missing(&p.map, &n.catchup.mine));
            assert!(p.wanted <= may, "node {node} wants {} of {id}, which has {may} to give", p.wanted);
            assert_eq!(p.wanted, p.wants.values().map(|w| w.count()).sum::<u64>());
            assert_eq!(p.lacked, count(&missing(&n.catchup.mine, &p.map)));
            if p.denied.is_empty() {
                assert_eq!(p.wanted, may, "node {node}, peer {id}");
            }
        }
        assert!(n.catchup.applying.len() <= 200);
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, ms: i64) {
        let end = self.now + ms;
        while let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= end) {
            self.now = entry.key().0;
            let m = entry.remove();
            self.moment(m);
        }
        self.now = end;
    }

    /// Lets time pass until all stores are equal; the time it took, or a panic after `limit`.
    pub(super) fn converge(&mut self, limit: i64) -> i64 {
        let start = self.now;
        while !self.agreed() {
            assert!(self.now - start < limit, "no agreement after {limit} ms: {}", self.held());
            self.run(10);
        }
        self.now - start
    }

    pub(super) fn agreed(&self) -> bool {
        self.nodes.windows(2).all(|w| w[0].store == w[1].store)
    }

    pub(super) fn held(&self) -> String {
        self.nodes.iter().map(|n| n.store.held().to_string()).collect::<Vec<_>>().join(" ")
    }

    fn moment(&mut self, m: Moment) {
        let now = self.now;
        match m {
            Moment::Tick { node } => {
                self.nodes[node].catchup.tick(now);
                self.act(node);
                let next = self.nodes[node].catchup.next_tick(now) - now;
                self.at(next, Moment::Tick { node });
            }
            Moment::Read { node } => {
                let n = &mut self.nodes[node];
                n.catchup.reading_began();
                let all = n.store.holdings().collect();
                n.catchup.holdings_read(now, all);
                self.act(node);
            }
            Moment::Applied { node, ticket, ranges } => self.apply(node, ticket, &ranges),
            Moment::Deliver { from, to, net } if self.is_linked(from, to) => self.deliver(from, to, net),
            Moment::Deliver { .. } => {}
        }
    }

    fn apply(&mut self, node: usize, ticket: Ticket, ranges: &[SeqRange]) {
        let now = self.now;
        let n = &mut self.nodes[node];
        let mut outcome = Outcome::default();
        if n.broken {
            outcome.error = Some("disk full".to_owned());
        } else {
            let mut streams = BTreeSet::new();
            for r in ranges {
                streams.insert(&r.stream);
                for seq in r.from..=r.to {
                    if n.store.entry(&r.stream).insert(seq, hash(&r.stream, seq)) {
                        outcome.stored += 1;
                    } else {
                        n.known_by_page += 1;
                    }
                }
            }
            n.stored_by_page += outcome.stored;
            outcome.holdings =
                streams.into_iter().filter_map(|s| n.store.get(s).map(|p| p.to_holdings(s))).collect();
        }
        n.catchup.applied(now, ticket, outcome);
        self.act(node);
    }

    fn deliver(&mut self, from: usize, to: usize, net: Net) {
        let now = self.now;
        match net {
            Net::Live(s, seq) => self.take_in(to, &s, seq),
            Net::Wire(Message::Positions(p)) => {
                self.nodes[to].catchup.positions_received(now, &central(from), p);
                self.act(to);
            }
            Net::Wire(Message::SyncRequest(r)) if !self.nodes[to].deaf => {
                for page in self.answer(to, r.id, &r.ranges, u64::from(r.max_events)) {
                    self.send(to, from, Net::Page(page));
                }
            }
            Net::Wire(_) => {}
            Net::Page(page) => {
                let ranges: Vec<SeqRange> = page.brought.iter().map(|b| b.range.clone()).collect();
                let verdict = self.nodes[to].catchup.page_received(now, &central(from), &page);
                if let Verdict::Apply(ticket) = verdict {
                    self.at(10, Moment::Applied { node: to, ticket, ranges });
                }
                self.act(to);
            }
        }
    }

    fn answer(&self, node: usize, id: u64, ranges: &[SeqRange], most: u64) -> Vec<Page> {
        let store = &self.nodes[node].store;
        let (mut pages, mut page, mut in_page, mut left) = (Vec::new(), Page::default(), 0, most);
        let mut not_held = Vec::new();
        for r in ranges {
            for seq in r.from..=r.to {
                if !store.get(&r.stream).is_some_and(|s| s.holds(seq)) {
                    not_held.push(SeqRange { stream: r.stream.clone(), from: seq, to: seq });
                    continue;
                }
                if left == 0 {
                    break;
                }
                left -= 1;
                match page.brought.last_mut() {
                    Some(b) if b.range.stream == r.stream && b.range.to + 1 == seq => b.range.to = seq,
                    _ => page.brought.push(Brought {
                        range: SeqRange { stream: r.stream.clone(), from: seq, to: seq },
                        newest_at: self.now,
                    }),
                }
                in_page += 1;
                if in_page == self.page_events {
                    pages.push(std::mem::take(&mut page));
                    in_page = 0;
                }
            }
        }
        pages.push(page);
        let last = pages.len() - 1;
        for (i, p) in pages.iter_mut().enumerate() {
            p.id = id;
            p.more = i < last;
        }
        pages[last].not_held = not_held;
        pages
    }
}

impl World {
    /// The same for some of the nodes.
    pub(super) fn converge_some(&mut self, nodes: &[usize], limit: i64) {
        let start = self.now;
        while !nodes.windows(2).all(|w| self.nodes[w[0]].store == self.nodes[w[1]].store) {
            assert!(self.now - start < limit, "no agreement after {limit} ms: {}", self.held());
            self.run(10);
        }
    }
}
