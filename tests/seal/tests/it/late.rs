//! The one story that random runs seldom tell: all forget, seal something else, one forgets that too, and the first proof turns up.

use std::collections::{BTreeMap, BTreeSet};

use seal::event::{Central, Event, Position};
use seal::member::{How, Letter, Member, Message, Proposed, Rules};
use seal::memory::Memory;

type Mesh = BTreeMap<Central, Member>;

fn begin(mesh: &mut Mesh, id: Central, incarnation: u32, memory: Memory) {
    mesh.insert(id, Member::begin(id, incarnation, memory, BTreeSet::from([1, 2, 3])));
}

fn events(of: &Member) -> Vec<(Position, Event)> {
    of.memory.events().map(|(at, e)| (at, e.clone())).collect()
}

fn tell(mesh: &mut Mesh, from: Central, to: Central, events: Vec<(Position, Event)>) {
    let letter = Letter { from, incarnation: mesh[&from].incarnation, to, message: Message::Events(events) };
    mesh.get_mut(&to).unwrap().hear(&letter);
}

/// Everybody tells everybody everything.
fn exchange(mesh: &mut Mesh, among: &[Central]) {
    for from in among {
        for to in among.iter().filter(|c| *c != from) {
            let all = events(&mesh[from]);
            tell(mesh, *from, *to, all);
        }
    }
}

/// A member acts; its questions are answered by those named.
fn act(mesh: &mut Mesh, rules: Rules, id: Central, answering: &[Central]) -> Option<How> {
    let (letters, how) = mesh.get_mut(&id).unwrap().act(rules, true);
    if how.is_some() {
        return how;
    }
    for letter in letters.iter().filter(|l| answering.contains(&l.to)) {
        if let Some(answer) = mesh.get_mut(&letter.to).unwrap().hear(letter) {
            mesh.get_mut(&id).unwrap().hear(&answer);
        }
    }
    mesh.get_mut(&id).unwrap().act(rules, false).1
}

/// An attempt at sealing everything, up to all being bound. Nobody applies.
fn all_bound(mesh: &mut Mesh, rules: Rules, passage: u64) {
    for m in mesh.values_mut() {
        m.memory.append(m.stream(), Event::Passage(passage + u64::from(m.id)));
    }
    exchange(mesh, &[1, 2, 3]);
    let all = |memory: &Memory| memory.streams().map(|s| (*s, memory.whole_to(s))).collect();
    assert_eq!(mesh.get_mut(&1).unwrap().propose(all), Proposed::New);
    for _ in 0..2 {
        exchange(mesh, &[1, 2, 3]);
        for id in 1..=3 {
            assert_eq!(act(mesh, rules, id, &[]), None, "yes, then bound");
        }
    }
}

/// Up to the moment when the proof of the first seal reaches central 3, which has forgotten both.
fn the_story(rules: Rules) -> Mesh {
    let mut mesh = Mesh::new();
    for id in 1..=3 {
        begin(&mut mesh, id, u32::from(id), Memory::default());
        let m = mesh.get_mut(&id).unwrap();
        m.memory.append(m.stream(), Event::Passage(u64::from(id)));
    }
    exchange(&mut mesh, &[1, 2, 3]);
    let copies: BTreeMap<Central, Memory> = mesh.iter().map(|(id, m)| (*id, m.memory.clone())).collect();

    all_bound(&mut mesh, rules, 10);
    let late: Vec<Vec<(Position, Event)>> = mesh.values().map(events).collect();
    for id in 1..=3 {
        begin(&mut mesh, id, 10 + u32::from(id), copies[&id].clone());
    }
    all_bound(&mut mesh, rules, 20);
    exchange(&mut mesh, &[1, 2, 3]);
    assert_eq!(act(&mut mesh, rules, 2, &[]), Some(How::Direct));
    begin(&mut mesh, 3, 23, copies[&3].clone());
    for proof in late {
        tell(&mut mesh, 1, 3, proof);
    }
    mesh
}

#[test]
fn a_proof_that_surfaces_late_is_not_applied_beside_another_seal() {
    let mut mesh = the_story(Rules::ALL);
    assert_eq!(act(&mut mesh, Rules::ALL, 3, &[1]), None, "one has not answered");
    assert_eq!(act(&mut mesh, Rules::ALL, 3, &[1, 2]), None, "central 2 has another seal applied");
    // The first has heard of both now, and does not choose either. People take the third out …
    exchange(&mut mesh, &[1, 2]);
    assert_eq!(act(&mut mesh, Rules::ALL, 1, &[2, 3]), None);
    for id in 1..=2 {
        mesh.get_mut(&id).unwrap().config = BTreeSet::from([1, 2]);
    }
    let how = (0..4).find_map(|_| act(&mut mesh, Rules::ALL, 1, &[2]));
    assert_eq!(how, Some(How::Asked), "all others have applied it");
    // … and put it back: all others agree, and it does as they did.
    for id in 1..=2 {
        mesh.get_mut(&id).unwrap().config = BTreeSet::from([1, 2, 3]);
    }
    exchange(&mut mesh, &[1, 2, 3]);
    let how = (0..4).find_map(|_| act(&mut mesh, Rules::ALL, 3, &[1, 2]));
    assert!(how.is_some());
    assert_eq!(mesh[&3].memory.chain(), mesh[&2].memory.chain());
}

#[test]
fn without_asking_two_centrals_have_two_seals_of_one_number() {
    let rules = Rules { ask: false, ..Rules::ALL };
    let mut mesh = the_story(rules);
    assert_eq!(act(&mut mesh, rules, 3, &[]), Some(How::Direct));
    assert_ne!(mesh[&3].memory.chain(), mesh[&2].memory.chain());
}
