//! Some centrals in seeded chaos: letters are lost, doubled and late for ever, processes begin anew, disks go back to older copies or
//! are empty, one of them or all at once, centrals are taken out and put back. After every step what may never happen is looked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::dice::Dice;
use crate::event::{Central, Content, ContentHash, Event, Incarnation, Number, Position, Stream, Word};
use crate::member::{How, Letter, Member, Message, Proposed, Rules, Stand};
use crate::memory::Memory;
use crate::seen::{Fault, Seen};

mod calm;

/// Letters under way at most; the oldest are lost.
const UNDER_WAY: usize = 60;
/// Copies kept of each disk.
const COPIES: usize = 6;

/// Who sealed what under a number first.
#[derive(Debug, Clone)]
struct First {
    content: ContentHash,
    named: BTreeMap<Central, Incarnation>,
}

/// See the module.
pub struct World {
    rules: Rules,
    dice: Dice,
    /// How many of the faults really happen in this run, in percent.
    faults: u64,
    members: BTreeMap<Central, Member>,
    copies: BTreeMap<Central, Vec<Memory>>,
    under_way: Vec<Letter>,
    /// The configuration people want; each central takes it over in its own time.
    wanted: BTreeSet<Central>,
    next_incarnation: Incarnation,
    next_passage: u64,
    truth: BTreeMap<Position, Event>,
    /// Positions of "bound" words that their own author forgot.
    forgotten: BTreeSet<Position>,
    firsts: BTreeMap<Number, Vec<First>>,
    /// What happened.
    pub seen: Seen,
    /// The last steps, for people.
    pub trace: Vec<String>,
}

impl World {
    /// Three or four centrals that know nothing.
    pub fn new(seed: u64, rules: Rules) -> Self {
        let mut dice = Dice(seed);
        let n: Central = if dice.chance(70) { 3 } else { 4 };
        let wanted: BTreeSet<Central> = (1..=n).collect();
        let faults = [10, 25, 50, 100][dice.below(4)];
        let mut world = Self {
            rules,
            dice,
            faults,
            members: BTreeMap::new(),
            copies: BTreeMap::new(),
            under_way: Vec::new(),
            wanted,
            next_incarnation: 0,
            next_passage: 0,
            truth: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            firsts: BTreeMap::new(),
            seen: Seen::default(),
            trace: Vec::new(),
        };
        for id in 1..=n {
            world.begin(id, Memory::default());
            world.copies.insert(id, vec![Memory::default()]);
        }
        world
    }

    fn tell(&mut self, text: String) {
        self.trace.push(text);
    }

    fn begin(&mut self, id: Central, memory: Memory) {
        self.next_incarnation += 1;
        let config = self.members.get(&id).map_or_else(|| self.wanted.clone(), |m| m.config.clone());
        if let Some(before) = self.members.get(&id) {
            for (at, e) in before.memory.events() {
                let bound = at.stream.central == id && matches!(e, Event::Said { word: Word::Bound, .. });
                if bound && !memory.has_bytes(&at) {
                    self.forgotten.insert(at);
                }
            }
        }
        self.members.insert(id, Member::begin(id, self.next_incarnation, memory, config));
    }

    /// Chaos for so many steps, then calm. The error says what happened that never may.
    pub fn run(&mut self, steps: u32) -> Result<(), Fault> {
        for _ in 0..steps {
            self.step()?;
        }
        self.calm()
    }

    fn step(&mut self) -> Result<(), Fault> {
        let Some(id) = self.dice.pick(self.members.keys().copied().collect::<Vec<_>>()) else {
            return Ok(());
        };
        let what = match self.dice.below(1000) {
            fault @ 925..970 if !self.dice.chance(self.faults) => fault - 355,
            what => what,
        };
        match what {
            0..60 => self.passage(id),
            60..270 => self.exchange(id),
            270..580 => self.deliver(),
            580..870 => self.act(id)?,
            870..900 => self.propose(id),
            900..925 => self.copy(id),
            925..945 => {
                let memory = self.members[&id].memory.clone();
                self.tell(format!("{id} begins anew"));
                self.begin(id, memory);
            }
            945..965 => self.go_back(id),
            965..970 => {
                self.seen.saw("all disks went back at once");
                for id in self.members.keys().copied().collect::<Vec<_>>() {
                    self.go_back(id);
                }
            }
            970..985 => self.prune(id)?,
            985..993 => self.configure(id),
            _ => self.change_configuration(),
        }
        self.check()
    }

    fn passage(&mut self, id: Central) {
        self.next_passage += 1;
        let passage = Event::Passage(self.next_passage);
        if let Some(m) = self.members.get_mut(&id) {
            m.memory.append(m.stream(), passage);
        }
        self.learn(id);
    }

    /// What a member wrote becomes the truth.
    fn learn(&mut self, id: Central) {
        let Some(m) = self.members.get(&id) else { return };
        let own = m.memory.events().filter(|(at, _)| at.stream == m.stream());
        for (at, e) in own {
            self.truth.entry(at).or_insert_with(|| e.clone());
        }
    }

    fn exchange(&mut self, from: Central) {
        let Some(to) =
            self.dice.pick(self.members.keys().copied().filter(|c| *c != from).collect::<Vec<_>>())
        else {
            return;
        };
        let lacks = self.lacks(from, to);
        let whole = self.dice.chance(40);
        let some: Vec<(Position, Event)> =
            lacks.into_iter().filter(|_| whole || self.dice.chance(30)).collect();
        if !some.is_empty() {
            self.send(from, to, Message::Events(some));
        }
    }

    fn lacks(&self, from: Central, to: Central) -> Vec<(Position, Event)> {
        let (Some(f), Some(t)) = (self.members.get(&from), self.members.get(&to)) else { return Vec::new() };
        f.memory.events().filter(|(at, _)| !t.memory.holds(at)).map(|(at, e)| (at, e.clone())).collect()
    }

    fn send(&mut self, from: Central, to: Central, message: Message) {
        let Some(m) = self.members.get(&from) else { return };
        self.under_way.push(Letter { from, incarnation: m.incarnation, to, message });
        if self.under_way.len() > UNDER_WAY {
            let lost = self.dice.below(UNDER_WAY / 2);
            self.under_way.remove(lost);
        }
    }

    fn deliver(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        // Mostly the oldest first; some stay behind for ever.
        let n = if self.dice.chance(60) { 0 } else { self.dice.below(self.under_way.len()) };
        let letter = if self.dice.chance(12) { self.under_way[n].clone() } else { self.under_way.remove(n) };
        if !self.dice.chance(5) {
            self.arrive(&letter);
        }
    }

    fn arrive(&mut self, letter: &Letter) {
        let Some(to) = self.members.get_mut(&letter.to) else { return };
        if let Some(answer) = to.hear(letter) {
            if matches!(answer.message, Message::Answer { stand: Stand::Other, .. }) {
                self.seen.saw("a late proof stopped by a question");
            }
            self.under_way.push(answer);
        }
    }

    fn act(&mut self, id: Central) -> Result<(), Fault> {
        let again = self.dice.chance(30);
        let Some(m) = self.members.get_mut(&id) else { return Ok(()) };
        let number = m.memory.next_number();
        let before = m.memory.clone();
        let (letters, how) = m.act(self.rules, again);
        let said: Vec<(Word, Position)> = m
            .memory
            .events()
            .filter(|(at, _)| !before.has_bytes(at))
            .filter_map(|(_, e)| if let Event::Said { to, word } = e { Some((*word, *to)) } else { None })
            .collect();
        let (blocked, in_incarnation) = (m.is_blocked(), m.incarnation);
        for (word, to) in &said {
            let text = format!("{id} in {in_incarnation} says {word:?} to {to:?}");
            self.tell(text);
            let k =
                before.attempts(number).into_iter().find(|k| k.at == *to).map(|k| k.attempt.members.clone());
            if *word == Word::No && k.is_some_and(|m| m.get(&id).is_some_and(|n| *n != in_incarnation)) {
                self.seen.saw("an attempt ended by a new incarnation");
            }
        }
        if blocked {
            self.seen.saw("two contents bound under one number");
        }
        self.under_way.extend(letters);
        self.learn(id);
        if let Some(how) = how {
            self.applied(id, number, how, &before)?;
            if self.dice.chance(50) {
                self.prune(id)?;
            }
        }
        Ok(())
    }

    fn applied(&mut self, id: Central, number: Number, how: How, before: &Memory) -> Result<(), Fault> {
        self.seen.saw(match how {
            How::Direct => "sealed in the incarnation that was bound",
            How::Asked => "sealed after all others were asked",
            How::Adopted => "adopted from one that had applied it",
        });
        let Some(m) = self.members.get(&id) else { return Ok(()) };
        let Some(sealed) = m.memory.sealed(number) else {
            return Err(Fault::Untrue("nothing was applied".to_owned()));
        };
        let text = format!("{id} applies {sealed:x} as seal {number} ({how:?})");
        let attempts = before.attempts(number);
        let named: Vec<BTreeMap<Central, Incarnation>> = attempts
            .iter()
            .filter(|k| k.attempt.content.hash() == sealed)
            .map(|k| k.attempt.members.clone())
            .collect();
        let content = attempts.iter().map(|k| &k.attempt.content).find(|c| c.hash() == sealed).cloned();
        self.tell(text);
        if let Some(c) = content {
            self.is_true(&c, before)?;
        }
        let firsts = self.firsts.entry(number).or_default();
        if firsts.iter().any(|f| f.content == sealed) {
            return Ok(());
        }
        let Some(named) = named.into_iter().next() else { return Ok(()) };
        let set: BTreeSet<Central> = named.keys().copied().collect();
        let same_set = firsts.iter().filter(|f| f.named.keys().copied().collect::<BTreeSet<_>>() == set);
        for first in same_set {
            for central in first.named.keys() {
                let at_it = |p: &Position| p.stream.central == *central;
                if !self.forgotten.iter().any(at_it) {
                    return Err(Fault::Disagree(format!(
                        "seal {number} is {sealed:x} now, was {:x}, and {central} never forgot that",
                        first.content
                    )));
                }
            }
            self.seen.saw("another content under a number that all had forgotten");
        }
        firsts.push(First { content: sealed, named });
        Ok(())
    }

    /// A content is what really happened.
    fn is_true(&self, content: &Content, before: &Memory) -> Result<(), Fault> {
        for (stream, floor) in &content.floors {
            for seq in before.floor(stream) + 1..=*floor {
                let at = Position { stream: *stream, seq };
                if !self.truth.contains_key(&at) {
                    return Err(Fault::Untrue(format!("{at:?} is sealed and never happened")));
                }
            }
        }
        Ok(())
    }

    fn propose(&mut self, id: Central) {
        let mut dice = Dice(self.dice.next());
        let Some(m) = self.members.get_mut(&id) else { return };
        let floors = |memory: &Memory| -> BTreeMap<Stream, u32> {
            let mut floors = BTreeMap::new();
            for s in memory.streams() {
                let (floor, whole) = (memory.floor(s), memory.whole_to(s));
                if whole > floor && dice.chance(70) {
                    floors.insert(*s, floor + 1 + dice.below((whole - floor) as usize) as u32);
                } else if floor > 0 {
                    floors.insert(*s, floor);
                }
            }
            floors
        };
        match m.propose(floors) {
            Proposed::Nothing | Proposed::Blocked => return,
            Proposed::New => self.tell(format!("{id} proposes")),
            Proposed::Repeated => {
                self.seen.saw("a content repeated because somebody was bound to it");
                self.tell(format!("{id} proposes again"));
            }
        }
        self.learn(id);
    }

    fn copy(&mut self, id: Central) {
        let memory = self.members[&id].memory.clone();
        let copies = self.copies.entry(id).or_default();
        copies.push(memory);
        if copies.len() > COPIES {
            copies.remove(0);
        }
    }

    /// An older copy, or an empty disk.
    fn go_back(&mut self, id: Central) {
        let copies = &self.copies[&id];
        let memory = match self.dice.below(copies.len() + 1) {
            0 => Memory::default(),
            n => copies[n - 1].clone(),
        };
        self.tell(format!("{id} goes back to a disk with {} seals", memory.chain().len()));
        self.begin(id, memory);
    }

    fn prune(&mut self, id: Central) -> Result<(), Fault> {
        let Some(m) = self.members.get_mut(&id) else { return Ok(()) };
        let seals = m.memory.chain().len();
        let gone = m.memory.prune();
        if gone.is_empty() {
            return Ok(());
        }
        self.seen.saw("bytes pruned");
        let last = m.memory.last_seal();
        self.tell(format!("{id} prunes {} events below seal {seals}", gone.len()));
        // Whoever bound itself to this, and is in the same incarnation still, holds all of it or has sealed it too.
        for other in self.wanted.iter().map(|c| &self.members[c]) {
            let lacks = gone.iter().find(|at| !other.memory.holds(at));
            if let Some(at) = lacks
                && other.bound_to(seals) == Some(last)
            {
                return Err(Fault::Lost(format!("{at:?} is pruned, and {} never had it", other.id)));
            }
        }
        Ok(())
    }

    fn configure(&mut self, id: Central) {
        if let Some(m) = self.members.get_mut(&id)
            && self.wanted.contains(&id)
        {
            m.config.clone_from(&self.wanted);
        }
    }

    fn settled(&self) -> bool {
        self.wanted.iter().all(|c| self.members[c].config == self.wanted)
    }

    fn chains(&self) -> BTreeSet<Vec<ContentHash>> {
        self.wanted.iter().map(|c| self.members[c].memory.chain()).collect()
    }

    /// People take a central out, or put one back: one at a time, and back only while the others agree on what is sealed and none of
    /// them is bound to more.
    fn change_configuration(&mut self) {
        if !self.settled() {
            return;
        }
        let out: Vec<Central> = self.members.keys().copied().filter(|c| !self.wanted.contains(c)).collect();
        match self.dice.pick(out) {
            Some(id) if self.chains().len() == 1 && self.rests() => self.put_back(id),
            None if self.wanted.len() > 2 => {
                let Some(id) = self.dice.pick(self.wanted.iter().copied().collect::<Vec<_>>()) else {
                    return;
                };
                self.take_out(id);
            }
            _ => {}
        }
    }

    /// True while nobody is known to be bound to a next seal.
    fn rests(&self) -> bool {
        let members = self.wanted.iter().map(|c| &self.members[c]);
        members.into_iter().all(|m| m.binding(m.memory.next_number()).is_empty())
    }

    fn take_out(&mut self, id: Central) {
        self.tell(format!("{id} is taken out"));
        self.wanted.remove(&id);
    }

    fn put_back(&mut self, id: Central) {
        let Some(agreed) = self.chains().pop_first() else { return };
        self.tell(format!("{id} is put back"));
        self.wanted.insert(id);
        let wanted = self.wanted.clone();
        let Some(m) = self.members.get_mut(&id) else { return };
        m.config = wanted;
        let own = m.memory.chain();
        let same = own.iter().zip(&agreed).take_while(|(a, b)| a == b).count();
        if same < own.len() {
            m.memory.set_aside(same + 1);
            self.seen.saw("a returning central set its own seals aside");
        }
    }

    /// What may never be.
    fn check(&mut self) -> Result<(), Fault> {
        let chains: Vec<(Central, Vec<ContentHash>)> =
            self.wanted.iter().map(|c| (*c, self.members[c].memory.chain())).collect();
        for (i, (a, x)) in chains.iter().enumerate() {
            for (b, y) in &chains[i + 1..] {
                if let Some(n) = x.iter().zip(y).position(|(p, q)| p != q) {
                    return Err(Fault::Disagree(format!(
                        "{a} and {b} have applied different seals {}",
                        n + 1
                    )));
                }
            }
        }
        for m in self.members.values() {
            for (at, e) in m.memory.events() {
                if self.truth.get(&at) != Some(e) {
                    return Err(Fault::Untrue(format!("{} holds {at:?}, which never happened so", m.id)));
                }
            }
        }
        Ok(())
    }
}
