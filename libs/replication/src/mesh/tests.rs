//! Meshes that talk to each other over perfect wires, by hand.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wire::alarm::AlarmCode;
use wire::bus::events::{ApplyReply, Carried};
use wire::config::PeerCentral;
use wire::hash::PlateTag;
use wire::http::PeerState;
use wire::id::CentralId;
use wire::mesh::{Heartbeat, Message};

use super::*;

fn id(n: usize) -> CentralId {
    CentralId::new(&format!("central-{n}")).unwrap()
}

fn event(n: u8) -> Carried {
    Carried { trace: None, committed_at: 0, frame: vec![n; 40] }
}

/// A central under test, its wires and what came out of it.
struct Node {
    mesh: Mesh,
    /// Link here → node and link there.
    wires: BTreeMap<LinkId, (usize, LinkId)>,
    applies: Vec<(u64, Vec<Carried>)>,
    pages: Vec<u64>,
    plates: Vec<u64>,
    found: Vec<Found>,
    notes: Vec<Note>,
    ended: Vec<String>,
}

struct World {
    nodes: Vec<Node>,
    names: Vec<usize>,
    us: u64,
    cut: bool,
    /// What HELLO is made to say.
    protocol: u16,
    said: Vec<Bytes>,
}

impl World {
    /// Nodes of these names, each configured with the others; two may have one name.
    fn new(names: &[usize]) -> Self {
        let mut w = Self {
            nodes: Vec::new(),
            names: names.to_vec(),
            us: 1_000_000,
            cut: false,
            protocol: wire::mesh::PROTOCOL_MAX,
            said: Vec::new(),
        };
        for (i, name) in names.iter().enumerate() {
            let (now, process) = (w.now(), format!("mesh-process-{i}"));
            let mesh = Mesh::new(now, id(*name), process, Limits::default(), i as u64 * 1000);
            w.nodes.push(Node {
                mesh,
                wires: BTreeMap::new(),
                applies: Vec::new(),
                pages: Vec::new(),
                plates: Vec::new(),
                found: Vec::new(),
                notes: Vec::new(),
                ended: Vec::new(),
            });
        }
        w
    }

    fn now(&self) -> Now {
        Now { us: self.us, clock_ms: 1_000_000 + (self.us / 1000) as i64 }
    }

    fn conf(&self, n: usize, disabled: &[usize]) -> Vec<PeerCentral> {
        let mut all = self.names.clone();
        all.dedup();
        let peer = |p: &usize| PeerCentral {
            id: id(*p),
            ip: "127.0.0.1".into(),
            p2p_port: 1,
            disabled: disabled.contains(p),
        };
        all.iter().filter(|p| **p != self.names[n]).map(peer).collect()
    }

    fn configure(&mut self, n: usize, disabled: &[usize]) {
        let conf = self.conf(n, disabled);
        self.give(n, |m, now| m.configure(now, &conf));
    }

    fn up(names: &[usize]) -> Self {
        Self::speaking(wire::mesh::PROTOCOL_MAX, names)
    }

    /// As if one side of every pair were of an older release.
    fn speaking(protocol: u16, names: &[usize]) -> Self {
        let mut w = Self { protocol, ..Self::new(names) };
        for n in 0..names.len() {
            w.configure(n, &[]);
        }
        w.pass(2_000);
        w
    }

    fn give<R>(&mut self, n: usize, input: impl FnOnce(&mut Mesh, Now) -> R) -> R {
        let now = self.now();
        let r = input(&mut self.nodes[n].mesh, now);
        for output in self.nodes[n].mesh.take_outputs() {
            self.act(n, output);
        }
        r
    }

    fn act(&mut self, n: usize, output: Output) {
        match output {
            Output::Dial { dial, peer } => {
                let to = self.names.iter().position(|name| id(*name) == peer.id).unwrap();
                self.connect(n, to, Some(dial));
            }
            Output::Wake(link) => self.pump(n, link),
            Output::ReadHello { link, .. } => {
                self.give(n, |m, now| m.hello_ready(now, link, HelloFacts::default()));
            }
            Output::ReadDigest => self.give(n, |m, now| m.digest_read(now, None)),
            Output::Apply { request, events, .. } => self.nodes[n].applies.push((request, events)),
            Output::ApplyPage { request, .. } => self.nodes[n].pages.push(request),
            Output::ReadPlate { request, .. } => self.nodes[n].plates.push(request),
            Output::Found { found, .. } => self.nodes[n].found.push(found),
            Output::Note(note) => self.nodes[n].notes.push(note),
            Output::Close(_) | Output::ToSync { .. } | Output::Publish | Output::Timer => {}
        }
    }

    fn connect(&mut self, from: usize, to: usize, dial: Option<u64>) {
        if self.cut {
            if let Some(dial) = dial {
                self.give(from, |m, now| m.dial_failed(now, dial, false, "tcp: nobody there"));
            }
            return;
        }
        let opened = |dial, other: usize| Opened {
            dial,
            certified: None,
            address: format!("10.0.0.{other}:9000"),
            test: false,
        };
        let now = self.now();
        let there = self.nodes[to].mesh.opened(now, opened(None, from)).unwrap();
        let Some(here) = self.nodes[from].mesh.opened(now, opened(dial, to)) else { return };
        self.nodes[from].wires.insert(here, (to, there));
        self.nodes[to].wires.insert(there, (from, here));
        self.give(from, |_, _| ());
    }

    fn pump(&mut self, n: usize, link: LinkId) {
        while let Some(next) = self.nodes[n].mesh.next(link) {
            let Some(&(to, there)) = self.nodes[n].wires.get(&link) else { return };
            match next.encode().unwrap() {
                Ok(bytes) if self.cut => drop(bytes),
                Ok(bytes) => self.deliver(to, there, bytes),
                Err(reason) => {
                    self.nodes[n].wires.remove(&link);
                    self.nodes[to].wires.remove(&there);
                    self.nodes[n].ended.push(reason.clone());
                    self.give(n, |m, now| m.ended(now, link, &reason));
                    if !self.cut {
                        self.deliver(to, there, Message::Bye(reason).encode().unwrap().into());
                        self.give(to, |m, now| m.ended(now, there, "the peer closed the link"));
                    }
                    return;
                }
            }
        }
    }

    fn deliver(&mut self, to: usize, link: LinkId, bytes: Bytes) {
        let mut message = Message::decode(&bytes).unwrap();
        if let Message::Hello(hello) = &mut message {
            hello.protocol_max = self.protocol;
        }
        self.said.push(bytes.clone());
        self.us += 50;
        self.give(to, |m, now| m.received(now, link, message, &bytes));
    }

    /// Lets time pass.
    fn pass(&mut self, ms: u64) {
        let end = self.us + ms * 1000;
        loop {
            let due: Vec<u64> = self.nodes.iter_mut().map(|n| n.mesh.next_tick()).collect();
            let first = due.iter().copied().min().unwrap().max(self.us);
            if first > end {
                break;
            }
            self.us = first;
            for (n, at) in due.iter().enumerate() {
                if *at <= first {
                    self.give(n, |m, now| m.tick(now));
                }
            }
        }
        self.us = self.us.max(end);
    }

    fn status(&self, n: usize, peer: usize) -> PeerStatus {
        self.nodes[n].mesh.peers().find(|p| p.id == id(peer)).unwrap()
    }
}

fn stored(n: u32) -> Result<ApplyReply, String> {
    Ok(ApplyReply { stored: n, ..ApplyReply::default() })
}

#[test]
fn both_dial_and_one_link_remains() {
    let w = World::up(&[1, 2]);
    for (n, peer) in [(0, 2), (1, 1)] {
        let s = w.status(n, peer);
        assert_eq!((s.state, s.trouble.as_deref()), (PeerState::Connected, None));
        assert!(s.rtt_ms.is_some());
        assert_eq!(w.nodes[n].mesh.links.len(), 1, "the spare is gone");
    }
}

#[test]
fn live_events_go_out_at_once_and_one_request_is_under_way() {
    let mut w = World::up(&[1, 2]);
    for n in 0..4 {
        w.give(0, |m, now| assert_eq!(m.committed(now, vec![event(n)]), 1));
    }
    assert_eq!(w.nodes[1].applies.len(), 1, "the rest gathers");
    let (request, first) = w.nodes[1].applies.remove(0);
    assert_eq!(first, [event(0)]);
    w.give(1, |m, _| m.applied(request, &stored(1)));
    assert_eq!(w.nodes[1].applies[0].1, [event(1), event(2), event(3)]);
    w.give(1, |m, _| m.applied(request, &stored(1)));
    assert_eq!(w.nodes[1].applies.len(), 1, "an answer counts once");
}

#[test]
fn a_disabled_peer_is_refused_with_the_reason_and_dialled_rarely() {
    let mut w = World::new(&[1, 2]);
    w.configure(0, &[2]);
    w.configure(1, &[]);
    w.pass(20_000);
    let s = w.status(1, 1);
    assert_eq!(s.state, PeerState::Refused);
    assert_eq!(s.trouble.unwrap(), "hello: the peer refuses us: central-2 is disabled here");
    assert_eq!(w.status(0, 2).state, PeerState::Disabled);
    let tries = w.nodes[0].notes.iter().filter(|n| matches!(n, Note::Incoming { .. })).count();
    assert!(tries <= 2, "{tries} tries in 20 s");
    w.configure(0, &[]);
    w.pass(35_000);
    assert_eq!(w.status(1, 1).state, PeerState::Connected);
}

#[test]
fn a_silent_link_is_closed_and_dialled_again() {
    let mut w = World::up(&[1, 2]);
    w.cut = true;
    w.give(0, |m, now| m.committed(now, vec![event(1)]));
    w.pass(12_000);
    let s = w.status(0, 2);
    assert_eq!((s.state, s.trouble.as_deref()), (PeerState::Down, Some("tcp: nobody there")));
    assert!(w.nodes[0].notes.iter().any(|n| matches!(n, Note::Silent { .. })));
    w.pass(130_000);
    assert_eq!(w.status(1, 1).state, PeerState::Down, "three beats were not answered");
    w.cut = false;
    w.pass(6_000);
    assert_eq!(w.status(0, 2).state, PeerState::Connected);
}

#[test]
fn a_copied_machine_is_an_alarm_with_both_ends_while_both_are_there() {
    let mut w = World::up(&[1, 2]);
    // The copy comes up and dials.
    w.names.push(2);
    let now = w.now();
    w.nodes.push(Node {
        mesh: Mesh::new(now, id(2), "copied-mesh".into(), Limits::default(), 77),
        wires: BTreeMap::new(),
        applies: Vec::new(),
        pages: Vec::new(),
        plates: Vec::new(),
        found: Vec::new(),
        notes: Vec::new(),
        ended: Vec::new(),
    });
    w.configure(2, &[]);
    w.pass(61_000);
    let alarms = w.nodes[0].mesh.alarms();
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    let a = &alarms[0];
    assert_eq!((a.code, a.peer.as_deref()), (AlarmCode::Clone, Some("central-2")));
    for part in ["mesh-process", "copied-mesh", "10.0.0.1:9000", "10.0.0.2:9000"] {
        assert!(a.detail.contains(part), "{part} in {}", a.detail);
    }
    assert_eq!(w.nodes[0].mesh.primaries(None).len(), 2, "both are served");
    w.give(2, |m, now| m.close_all(now, "this central stops"));
    assert!(w.nodes[0].mesh.alarms().is_empty(), "it is over");
}

fn is(process: &str) -> Identity {
    Identity { process: process.into(), writer: true, projection_version: 1 }
}

#[test]
fn two_ledgers_behind_one_mesh_are_noticed_on_both_sides() {
    let mut w = World::up(&[1, 2]);
    for (i, process) in ["a", "b", "a", "b"].into_iter().enumerate() {
        w.give(1, |m, now| m.ledger_is(now, &is(process)));
        w.pass(2_000);
        let alarmed = |n: usize| !w.nodes[n].mesh.alarms().is_empty();
        assert_eq!((alarmed(0), alarmed(1)), (i == 3, i == 3), "after {process}");
    }
    let theirs = &w.nodes[0].mesh.alarms()[0];
    assert!(theirs.detail.contains("ledgers a and b"), "{theirs:?}");
    assert_eq!(w.nodes[1].mesh.alarms()[0].peer, None, "it concerns this central");
    w.pass(200_000);
    assert!(w.nodes.iter().all(|n| n.mesh.alarms().is_empty()), "it is over");
}

#[test]
fn a_restarted_ledger_is_told_and_is_no_alarm() {
    let mut w = World::up(&[1, 2]);
    for process in ["a", "b", "c"] {
        w.give(1, |m, now| m.ledger_is(now, &is(process)));
        w.pass(1_000);
        assert_eq!(w.nodes[0].mesh.peers[&id(2)].speakers.current(), process);
    }
    let standby = Identity { writer: false, ..is("z") };
    w.give(1, |m, now| m.ledger_is(now, &standby));
    assert_eq!(w.nodes[0].mesh.peers[&id(2)].speakers.current(), "c");
    assert!(w.nodes[0].mesh.alarms().is_empty());
}

#[test]
fn a_question_ends_with_the_last_answer_or_with_its_time() {
    let mut w = World::up(&[1, 2, 3]);
    let tag = PlateTag([3; 16]);
    w.give(0, |m, now| m.ask_peers(now, tag, 200));
    for n in [1, 2] {
        let request = w.nodes[n].plates.remove(0);
        w.give(n, |m, now| m.plate_read(now, request, Some(vec![n as u8])));
    }
    assert!(w.nodes[0].found.is_empty(), "the ledger stores first");
    for request in std::mem::take(&mut w.nodes[0].pages) {
        w.give(0, |m, _| m.applied(request, &stored(2)));
    }
    assert_eq!(w.nodes[0].found, [Found { asked: 2, answered: 2, stored: 4 }]);

    w.give(0, |m, now| m.ask_peers(now, tag, 200));
    w.pass(199);
    assert_eq!(w.nodes[0].found.len(), 1);
    w.pass(2);
    assert_eq!(w.nodes[0].found[1], Found { asked: 2, answered: 0, stored: 0 });

    let mut alone = World::new(&[1]);
    alone.give(0, |m, now| m.ask_peers(now, tag, 200));
    assert_eq!(alone.nodes[0].found, [Found::default()]);
}

/// Bytes of a day on one link, both ways: TLS, WebSocket (masked on one side) and TCP with its acknowledgements around each message.
fn bytes_of_a_day(w: &mut World) -> usize {
    w.said.clear();
    w.pass(86_400_000);
    w.said.iter().map(|b| b.len() + 22 + 4 + 2 * 66).sum()
}

#[test]
fn an_idle_link_says_one_small_beat_each_way_and_costs_less_than_a_mebibyte_a_day() {
    let mut w = World::up(&[1, 2]);
    // The first beats have nothing to carry back.
    w.pass(60_000);
    let bytes = bytes_of_a_day(&mut w);
    assert!(bytes <= 1024 * 1024, "{bytes} bytes");
    let beats = w.said.len();
    assert!((2 * 2870..=2 * 2881).contains(&beats), "{beats} messages, a beat every 30 s each way");
    for (n, peer) in [(0, 2), (1, 1)] {
        let s = w.status(n, peer);
        assert_eq!(s.state, PeerState::Connected);
        assert!(s.skew_ms.is_some_and(|skew| skew.abs() <= 1), "{:?}", s.skew_ms);
        assert!(s.rtt_ms.is_some_and(|rtt| rtt < 1.0), "{:?}", s.rtt_ms);
    }
    let all_measure = |b: &Bytes| match Message::decode(b).unwrap() {
        Message::Beat(b) => b.echo.is_some() && !b.please_answer && b.ledger_process.is_none(),
        _ => false,
    };
    let others: Vec<_> = w.said.iter().filter(|b| !all_measure(b)).map(|b| Message::decode(b)).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn a_peer_that_beats_less_often_is_asked_to_answer_and_lives() {
    let mut w = World::new(&[1, 2]);
    w.nodes[1].mesh.limits.heartbeat_ms = 600_000;
    w.nodes[1].mesh.beat_at = w.us + 600_000_000;
    for n in [0, 1] {
        w.configure(n, &[]);
    }
    w.pass(3_600_000);
    assert_eq!(w.status(0, 2).state, PeerState::Connected);
    assert!(w.nodes.iter().all(|n| !n.notes.iter().any(|n| matches!(n, Note::Silent { .. }))));
}

#[test]
fn a_silent_peer_is_dead_after_three_beats() {
    let mut w = World::up(&[1, 2]);
    w.pass(300_000);
    w.cut = true;
    w.pass(80_000);
    assert_eq!(w.status(0, 2).state, PeerState::Connected);
    w.pass(50_000);
    assert_eq!(w.status(0, 2).state, PeerState::Down);
}

#[test]
fn a_peer_of_the_release_before_hears_nothing_it_does_not_know() {
    let mut w = World::speaking(1, &[1, 2]);
    w.give(0, |m, now| m.committed(now, vec![event(1)]));
    w.pass(100_000);
    let kinds: BTreeSet<&str> = w.said.iter().map(|b| Message::decode(b).unwrap().name()).collect();
    assert!(kinds.is_superset(&BTreeSet::from(["EVENTS", "HEARTBEAT", "HELLO"])), "{kinds:?}");
    assert!(w.said.iter().all(|b| b[0] < 13), "types of protocol 1 only");
    assert_eq!(w.status(1, 1).skew_ms, Some(0));

    let mut w = World::up(&[1, 2]);
    w.give(0, |m, now| m.committed(now, vec![event(1)]));
    w.pass(100_000);
    assert!(w.said.iter().all(|b| b[0] != 2), "no beats of protocol 1");
    assert_eq!(w.nodes[1].applies[0].1, [event(1)], "whatever the form");
}

#[test]
fn hello_again_and_words_before_it_change_nothing() {
    let mut w = World::up(&[1, 2]);
    let link = w.nodes[0].mesh.primaries(None)[0];
    let hello = Message::Hello(w.nodes[1].mesh.hello(w.now(), HelloFacts::default()));
    let bytes = Bytes::from(hello.encode().unwrap());
    w.give(0, |m, now| m.received(now, link, hello, &bytes));
    assert_eq!(w.status(0, 2).state, PeerState::Connected);

    let now = w.now();
    let opened = Opened { dial: None, certified: None, address: String::new(), test: false };
    let stranger = w.nodes[0].mesh.opened(now, opened).unwrap();
    let beat = Heartbeat { n: 1, clock: 0, echo: None, positions_digest: None, ledger_process: None };
    let beat = Message::Heartbeat(beat);
    let bytes = Bytes::from(beat.encode().unwrap());
    w.give(0, |m, now| m.received(now, stranger, beat, &bytes));
    assert_eq!(w.nodes[0].mesh.next(stranger), None, "no echo before HELLO");
    w.pass(7_000);
    assert!(matches!(w.nodes[0].mesh.next(stranger), Some(Next::End(_))), "HELLO takes too long");
}

#[test]
fn an_echo_of_a_beat_from_before_our_clock_was_set_says_nothing() {
    let mut w = World::up(&[1, 2]);
    let link = w.nodes[0].mesh.primaries(None)[0];
    let right = w.now().clock_ms;
    // A beat leaves, our clock is set an hour ahead, and only then does the echo come.
    let now = w.now();
    w.nodes[0].mesh.probe(now, link);
    let Some(Next::Message(bytes)) = w.nodes[0].mesh.next(link) else { panic!("no beat") };
    let Ok(Message::Beat(sent)) = Message::decode(&bytes) else { panic!("no beat") };
    let first = u64::from(sent.n.unwrap());
    let right = right + 2_000;
    let ahead = Now { us: w.us + 2_000_000, clock_ms: right + 3_600_000 };
    let echo = |n: u64| {
        let echo = Some(sent.clock);
        Message::Heartbeat(Heartbeat { n, clock: right, echo, positions_digest: None, ledger_process: None })
    };
    let hear = |m: &mut Mesh, n: u64| {
        let bytes = Bytes::from(echo(n).encode().unwrap());
        m.received(ahead, link, echo(n), &bytes);
    };
    let mesh = &mut w.nodes[0].mesh;
    mesh.tick(ahead);
    hear(mesh, first);
    assert_eq!(
        mesh.peers().next().unwrap().skew_ms,
        Some(0),
        "what was known stays until something better comes"
    );
    // A beat of its own went out when the step was noticed; its echo tells.
    hear(mesh, first + 1);
    assert_eq!(mesh.peers().next().unwrap().skew_ms, Some(-3_600_000));
}

#[test]
fn connections_without_hello_are_bounded_and_the_oldest_gives_way() {
    let mut w = World::up(&[1, 2]);
    let opened = || Opened { dial: None, certified: None, address: String::new(), test: false };
    let open = |w: &mut World| {
        let now = w.now();
        let link = w.nodes[0].mesh.opened(now, opened()).unwrap();
        w.pass(1);
        link
    };
    let first = open(&mut w);
    let second = open(&mut w);
    for _ in 0..62 {
        open(&mut w);
    }
    assert_eq!(w.nodes[0].mesh.next(first), None, "sixty-four fit");
    open(&mut w);
    let said = w.nodes[0].mesh.next(first);
    assert!(matches!(&said, Some(Next::End(why)) if why.contains("without HELLO")), "{said:?}");
    assert_eq!(w.nodes[0].mesh.next(second), None);
    assert_eq!(w.status(0, 2).state, PeerState::Connected);
}
