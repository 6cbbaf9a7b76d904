//! The rules of one member. Inputs are methods; what it says it writes into its log, what it asks goes out as letters.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{
    Attempt, Central, Content, ContentHash, Event, Incarnation, Number, Position, Stream, Word,
};
use crate::memory::{Known, Memory};

/// The rules that can be left out, to show what each is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Words count only from the incarnations an attempt names.
    pub named: bool,
    /// Who knows that anybody is bound to another content says no.
    pub bound: bool,
    /// A content is sealed when all are bound, not when all said yes.
    pub two_rounds: bool,
    /// In another incarnation than the one that was bound, a seal is applied only when all others were asked.
    pub ask: bool,
    /// Yes is said only to what is held exactly.
    pub exact: bool,
}

impl Rules {
    /// As they are meant.
    pub const ALL: Self = Self { named: true, bound: true, two_rounds: true, ask: true, exact: true };
}

/// Where a member stands that was asked about a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stand {
    /// Knows of nothing against it, and knows of it from now on.
    Clear,
    /// Has applied it.
    Applied,
    /// Knows of another one.
    Other,
}

/// What members send each other beside the log.
#[derive(Debug, Clone)]
pub enum Message {
    /// Catch-up.
    Events(Vec<(Position, Event)>),
    /// Does anything speak against applying this? With the proposal and who is bound to it.
    Ask {
        /// Numbers the questions of one incarnation.
        question: u32,
        /// The content that is complete.
        content: Content,
        /// The events that prove it.
        proof: Vec<(Position, Event)>,
    },
    /// The answer.
    Answer {
        /// The asker's incarnation and question.
        to: (Incarnation, u32),
        /// Where the answerer stands.
        stand: Stand,
    },
}

/// A message on its way.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Who sent it.
    pub from: Central,
    /// In which incarnation.
    pub incarnation: Incarnation,
    /// To whom.
    pub to: Central,
    /// What.
    pub message: Message,
}

/// A question that is open.
#[derive(Debug, Clone)]
struct Asking {
    question: u32,
    content: ContentHash,
    stands: BTreeMap<Central, Stand>,
}

/// See the module. Everything but `memory` ends with the incarnation.
#[derive(Debug, Clone)]
pub struct Member {
    /// Who.
    pub id: Central,
    /// In which incarnation.
    pub incarnation: Incarnation,
    /// The disk.
    pub memory: Memory,
    /// The configured centrals, this one included.
    pub config: BTreeSet<Central>,
    heard: BTreeMap<Central, Incarnation>,
    asking: Option<Asking>,
    questions: u32,
}

/// How a seal came to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// In the incarnation that was bound.
    Direct,
    /// After all others were asked.
    Asked,
    /// Without the events: its rows came from one that had applied it.
    Adopted,
}

impl Member {
    /// A member whose process begins with this on its disk.
    pub fn begin(id: Central, incarnation: Incarnation, memory: Memory, config: BTreeSet<Central>) -> Self {
        Self { id, incarnation, memory, config, heard: BTreeMap::new(), asking: None, questions: 0 }
    }

    /// The stream it writes.
    pub fn stream(&self) -> Stream {
        Stream { central: self.id, incarnation: self.incarnation }
    }

    fn others(&self) -> BTreeSet<Central> {
        self.config.iter().copied().filter(|c| *c != self.id).collect()
    }

    fn say(&mut self, to: Position, word: Word) {
        self.memory.append(self.stream(), Event::Said { to, word });
    }

    /// Contents of a number that somebody is known to be bound to. Who was bound among other members is bound no more, unless all
    /// of them were.
    pub fn binding(&self, number: Number) -> BTreeMap<ContentHash, Content> {
        let counts =
            |k: &Known<'_>| k.is_complete() || (!k.bound.is_empty() && k.attempt.set() == self.config);
        let known = self.memory.attempts(number).into_iter().filter(counts);
        known.map(|k| (k.attempt.content.hash(), k.attempt.content.clone())).collect()
    }

    fn is_bound_otherwise(&self, content: &Content) -> bool {
        self.binding(content.number).keys().any(|h| *h != content.hash())
    }

    /// What it said to an attempt in this incarnation.
    fn said(&self, to: &Position) -> BTreeSet<Word> {
        let mine = self.memory.events().filter(|(at, _)| at.stream == self.stream());
        mine.filter_map(|(_, e)| match e {
            Event::Said { to: t, word } if t == to => Some(*word),
            _ => None,
        })
        .collect()
    }

    /// The content it bound itself to last in this incarnation.
    pub fn bound_to(&self, number: Number) -> Option<ContentHash> {
        let attempts = self.memory.attempts(number);
        let mine = self.memory.events().filter(|(at, _)| at.stream == self.stream());
        let bound = mine.filter_map(|(_, e)| match e {
            Event::Said { to, word: Word::Bound } => attempts.iter().find(|k| k.at == *to),
            _ => None,
        });
        bound.last().map(|k| k.attempt.content.hash())
    }

    /// Proposes the next seal, unless an attempt is under way: what somebody is bound to, or else what `floors` gives.
    pub fn propose(&mut self, floors: impl FnOnce(&Memory) -> BTreeMap<Stream, u32>) -> Proposed {
        let number = self.memory.next_number();
        let heard = self.others().into_iter().map(|c| Some((c, *self.heard.get(&c)?)));
        let Some(mut members) = heard.collect::<Option<BTreeMap<_, _>>>() else { return Proposed::Nothing };
        members.insert(self.id, self.incarnation);
        let live = |k: &Known<'_>| k.no.is_empty() && k.attempt.members == members;
        if self.memory.attempts(number).iter().any(live) {
            return Proposed::Nothing;
        }
        let mut binding = self.binding(number);
        let (repeated, content) = match binding.len() {
            0 => (false, self.memory.content(&floors(&self.memory))),
            1 => (true, binding.pop_first().map(|(_, c)| c)),
            _ => return Proposed::Blocked,
        };
        let Some(content) = content.filter(|c| repeated || !c.floors.is_empty()) else {
            return Proposed::Nothing;
        };
        self.memory.append(self.stream(), Event::Proposed(Attempt { content, members }));
        if repeated { Proposed::Repeated } else { Proposed::New }
    }

    /// Says and does what is due. `again`: questions without an answer are asked again.
    pub fn act(&mut self, rules: Rules, again: bool) -> (Vec<Letter>, Option<How>) {
        self.answer_proposals(rules);
        self.bind(rules);
        self.apply(rules, again)
    }

    fn answer_proposals(&mut self, rules: Rules) {
        let number = self.memory.next_number();
        let mut words = Vec::new();
        for k in self.memory.attempts(number) {
            let Some(named) = k.attempt.members.get(&self.id) else { continue };
            let said = self.said(&k.at);
            if !said.is_empty() || !k.no.is_empty() {
                continue;
            }
            let content = &k.attempt.content;
            let wrong = k.attempt.set() != self.config
                || content.before != self.memory.last_seal()
                || (rules.named && *named != self.incarnation)
                || (rules.bound && self.is_bound_otherwise(content));
            if wrong {
                words.push((k.at, Word::No));
            } else if !rules.exact || self.memory.is_exactly(content) {
                words.push((k.at, Word::Yes));
            }
        }
        for (at, word) in words {
            self.say(at, word);
        }
    }

    fn bind(&mut self, rules: Rules) {
        let number = self.memory.next_number();
        let due = self.memory.attempts(number).into_iter().find_map(|k| {
            let named = k.attempt.members.get(&self.id) == Some(&self.incarnation) || !rules.named;
            let due = named
                && k.no.is_empty()
                && all_yes(&k, rules, &self.memory)
                && k.attempt.set() == self.config
                && k.attempt.content.before == self.memory.last_seal()
                && (!rules.exact || self.memory.is_exactly(&k.attempt.content))
                && !(rules.bound && self.is_bound_otherwise(&k.attempt.content))
                && !self.said(&k.at).contains(&Word::Bound);
            due.then_some(k.at)
        });
        if let Some(at) = due {
            self.say(at, Word::Bound);
        }
    }

    fn apply(&mut self, rules: Rules, again: bool) -> (Vec<Letter>, Option<How>) {
        let number = self.memory.next_number();
        let complete: Vec<(Content, Position, bool)> = self
            .memory
            .attempts(number)
            .into_iter()
            .filter(|k| {
                complete(k, rules, &self.memory) && k.attempt.content.before == self.memory.last_seal()
            })
            .map(|k| {
                let here = k.attempt.members.get(&self.id) == Some(&self.incarnation);
                (k.attempt.content.clone(), k.at, here)
            })
            .collect();
        for (content, _, here) in &complete {
            let bound = !rules.two_rounds
                || (self.bound_to(number) == Some(content.hash()) && !self.is_bound_otherwise(content));
            if self.memory.is_exactly(content) && ((*here && bound) || !rules.ask) {
                self.memory.apply(content.clone());
                self.asking = None;
                return (Vec::new(), Some(How::Direct));
            }
        }
        for (content, _, _) in &complete {
            if let Some(how) = self.may_apply(content) {
                self.memory.apply(content.clone());
                self.asking = None;
                return (Vec::new(), Some(how));
            }
        }
        let asked = self.asking.as_ref().map(|a| a.content);
        // All have answered and it is still not applied: somebody refused, or nobody had applied it yet and it is not held here. They
        // are asked again; one question at a time, after a refusal the next one.
        let answered = |a: &Asking| self.others().iter().all(|c| a.stands.contains_key(c));
        let over = self.asking.as_ref().is_some_and(answered);
        let refused = self.asking.as_ref().is_some_and(|a| a.stands.values().any(|s| *s == Stand::Other));
        let last = complete.iter().position(|(c, _, _)| Some(c.hash()) == asked).unwrap_or(0);
        let open = if again && refused { last + 1 } else { last };
        let Some((content, at, _)) = complete.get(open).or(complete.first()) else {
            return (Vec::new(), None);
        };
        if asked != Some(content.hash()) || (again && (over || refused)) {
            self.questions += 1;
            let asking =
                Asking { question: self.questions, content: content.hash(), stands: BTreeMap::new() };
            self.asking = Some(asking);
        } else if !again {
            return (Vec::new(), None);
        }
        (self.ask(content, at), None)
    }

    fn ask(&self, content: &Content, at: &Position) -> Vec<Letter> {
        let Some(asking) = &self.asking else { return Vec::new() };
        let proves = |p: &Position, e: &Event| p == at || matches!(e, Event::Said { to, .. } if to == at);
        let proof: Vec<(Position, Event)> =
            self.memory.events().filter(|(p, e)| proves(p, e)).map(|(p, e)| (p, e.clone())).collect();
        let silent = |c: &Central| !asking.stands.contains_key(c);
        let ask = |to| {
            let (question, content, proof) = (asking.question, content.clone(), proof.clone());
            self.letter(to, Message::Ask { question, content, proof })
        };
        self.others().into_iter().filter(silent).map(ask).collect()
    }

    /// True when all others were asked, in this incarnation, and nothing speaks against it. Where all of them have applied it, nothing
    /// can.
    fn may_apply(&self, content: &Content) -> Option<How> {
        let asking = self.asking.as_ref().filter(|a| a.content == content.hash())?;
        let stands: Option<BTreeSet<Stand>> =
            self.others().iter().map(|c| asking.stands.get(c).copied()).collect();
        let stands = stands.filter(|s| !s.is_empty())?;
        let all_applied = stands == BTreeSet::from([Stand::Applied]);
        if !all_applied && (stands.contains(&Stand::Other) || self.is_bound_otherwise(content)) {
            return None;
        }
        if self.memory.is_exactly(content) {
            Some(How::Asked)
        } else {
            stands.contains(&Stand::Applied).then_some(How::Adopted)
        }
    }

    fn letter(&self, to: Central, message: Message) -> Letter {
        Letter { from: self.id, incarnation: self.incarnation, to, message }
    }

    /// A letter arrives.
    pub fn hear(&mut self, letter: &Letter) -> Option<Letter> {
        if !self.config.contains(&letter.from) {
            return None;
        }
        self.heard.insert(letter.from, letter.incarnation);
        match &letter.message {
            Message::Events(events) => {
                for (at, e) in events {
                    self.memory.take(*at, e);
                }
                None
            }
            Message::Ask { question, content, proof } => {
                for (at, e) in proof {
                    self.memory.take(*at, e);
                }
                let stand = self.stand(content)?;
                let to = (letter.incarnation, *question);
                Some(self.letter(letter.from, Message::Answer { to, stand }))
            }
            Message::Answer { to, stand } => {
                if let Some(a) = &mut self.asking
                    && *to == (self.incarnation, a.question)
                {
                    a.stands.insert(letter.from, *stand);
                }
                None
            }
        }
    }

    /// Where it stands; none while it has not come so far.
    fn stand(&self, content: &Content) -> Option<Stand> {
        if let Some(sealed) = self.memory.sealed(content.number) {
            return Some(if sealed == content.hash() { Stand::Applied } else { Stand::Other });
        }
        if content.number > self.memory.next_number() {
            return None;
        }
        let other = content.before != self.memory.last_seal() || self.is_bound_otherwise(content);
        Some(if other { Stand::Other } else { Stand::Clear })
    }

    /// True when it knows of two contents for the next seal that somebody is bound to: people have to help.
    pub fn is_blocked(&self) -> bool {
        self.binding(self.memory.next_number()).len() > 1
    }
}

/// What came of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proposed {
    /// Nothing to propose, or an attempt is under way.
    Nothing,
    /// A new content.
    New,
    /// A content somebody is bound to.
    Repeated,
    /// Somebody is bound to more than one.
    Blocked,
}

/// Members that said a word to an attempt, in whatever incarnation.
fn anyhow_said(memory: &Memory, k: &Known<'_>, wanted: Word) -> BTreeSet<Central> {
    let said = memory.events().filter_map(|(at, e)| match e {
        Event::Said { to, word } if *to == k.at && *word == wanted => Some(at.stream.central),
        _ => None,
    });
    said.filter(|c| k.attempt.members.contains_key(c)).collect()
}

fn all_yes(k: &Known<'_>, rules: Rules, memory: &Memory) -> bool {
    k.all_yes() || (!rules.named && anyhow_said(memory, k, Word::Yes) == k.attempt.set())
}

fn complete(k: &Known<'_>, rules: Rules, memory: &Memory) -> bool {
    if !rules.two_rounds {
        return all_yes(k, rules, memory);
    }
    k.is_complete() || (!rules.named && anyhow_said(memory, k, Word::Bound) == k.attempt.set())
}
