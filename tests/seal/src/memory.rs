//! What one central has on its disk.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use crate::event::{Attempt, Central, Content, ContentHash, Event, Number, Position, Stream, Word};

/// See the module. A restored copy is a clone of an earlier one.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    log: BTreeMap<Stream, BTreeMap<u32, Event>>,
    /// Contents of the seals applied here, in order.
    seals: Vec<Content>,
}

/// What is known of an attempt.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// Where it was proposed.
    pub at: Position,
    /// The attempt.
    pub attempt: &'a Attempt,
    /// Who ended it.
    pub no: BTreeSet<Central>,
    /// Who said yes, in the incarnation named.
    pub yes: BTreeSet<Central>,
    /// Who is bound, in the incarnation named.
    pub bound: BTreeSet<Central>,
}

impl Known<'_> {
    /// True when all said yes.
    pub fn all_yes(&self) -> bool {
        self.yes.len() == self.attempt.members.len()
    }

    /// True when all are bound: the attempt has succeeded, whoever knows it.
    pub fn is_complete(&self) -> bool {
        self.bound.len() == self.attempt.members.len()
    }
}

impl Memory {
    /// Hashes of the seals applied, in order.
    pub fn chain(&self) -> Vec<ContentHash> {
        self.seals.iter().map(Content::hash).collect()
    }

    /// The number of the next seal.
    pub fn next_number(&self) -> Number {
        self.seals.len() + 1
    }

    /// The content that was sealed under a number here.
    pub fn sealed(&self, number: Number) -> Option<ContentHash> {
        self.seals.get(number.checked_sub(1)?).map(Content::hash)
    }

    /// Name of the last seal; 0 before the first.
    pub fn last_seal(&self) -> ContentHash {
        self.seals.last().map_or(0, Content::hash)
    }

    /// The highest seq that is sealed of a stream.
    pub fn floor(&self, stream: &Stream) -> u32 {
        self.seals.last().and_then(|c| c.floors.get(stream)).copied().unwrap_or(0)
    }

    /// True when an event is there or sealed.
    pub fn holds(&self, at: &Position) -> bool {
        at.seq <= self.floor(&at.stream) || self.has_bytes(at)
    }

    /// True when the bytes are there.
    pub fn has_bytes(&self, at: &Position) -> bool {
        self.log.get(&at.stream).is_some_and(|s| s.contains_key(&at.seq))
    }

    /// Every event there is.
    pub fn events(&self) -> impl Iterator<Item = (Position, &Event)> {
        self.log
            .iter()
            .flat_map(|(stream, s)| s.iter().map(|(seq, e)| (Position { stream: *stream, seq: *seq }, e)))
    }

    /// Takes an event, unless it is sealed and would go.
    pub fn take(&mut self, at: Position, event: &Event) {
        if at.seq <= self.floor(&at.stream) && event.goes() {
            return;
        }
        self.log.entry(at.stream).or_default().entry(at.seq).or_insert_with(|| event.clone());
    }

    /// Writes the next event of a stream of one's own.
    pub fn append(&mut self, stream: Stream, event: Event) -> Position {
        let own = self.log.entry(stream).or_default();
        let seq = own.last_key_value().map_or(1, |(seq, _)| seq + 1);
        own.insert(seq, event);
        Position { stream, seq }
    }

    /// The highest seq up to which a stream is there without a hole.
    pub fn whole_to(&self, stream: &Stream) -> u32 {
        let mut to = self.floor(stream);
        while self.log.get(stream).is_some_and(|s| s.contains_key(&(to + 1))) {
            to += 1;
        }
        to
    }

    /// Streams that are known.
    pub fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.log.keys()
    }

    /// The content of the next seal with these floors; none while something of it is missing.
    pub fn content(&self, floors: &BTreeMap<Stream, u32>) -> Option<Content> {
        let mut h = std::collections::hash_map::DefaultHasher::new();
        for (stream, floor) in floors {
            for seq in self.floor(stream) + 1..=*floor {
                (stream, seq, self.log.get(stream)?.get(&seq)?).hash(&mut h);
            }
        }
        Some(Content {
            number: self.next_number(),
            before: self.last_seal(),
            floors: floors.clone(),
            events: h.finish(),
        })
    }

    /// True when the next seal would be exactly this.
    pub fn is_exactly(&self, content: &Content) -> bool {
        self.content(&content.floors).as_ref() == Some(content)
    }

    /// Applies the next seal. Bytes go later.
    pub fn apply(&mut self, content: Content) {
        self.seals.push(content);
    }

    /// Forgets seals from a number on: an operator's act on a central that was taken out of the mesh and returns.
    pub fn set_aside(&mut self, from: Number) {
        self.seals.truncate(from.saturating_sub(1));
    }

    /// Lets sealed bytes go; answers which.
    pub fn prune(&mut self) -> Vec<Position> {
        let Some(last) = self.seals.last() else { return Vec::new() };
        let mut gone = Vec::new();
        for (stream, floor) in &last.floors {
            if let Some(s) = self.log.get_mut(stream) {
                s.retain(|seq, e| {
                    let stays = *seq > *floor || !e.goes();
                    if !stays {
                        gone.push(Position { stream: *stream, seq: *seq });
                    }
                    stays
                });
            }
        }
        gone
    }

    /// What is known of the attempts at a number.
    pub fn attempts(&self, number: Number) -> Vec<Known<'_>> {
        let mut all: Vec<Known<'_>> = self
            .events()
            .filter_map(|(at, e)| match e {
                Event::Proposed(attempt) if attempt.content.number == number => {
                    let nobody = BTreeSet::new;
                    Some(Known { at, attempt, no: nobody(), yes: nobody(), bound: nobody() })
                }
                _ => None,
            })
            .collect();
        for (at, e) in self.events() {
            let Event::Said { to, word } = e else { continue };
            let Some(k) = all.iter_mut().find(|k| k.at == *to) else { continue };
            let central = at.stream.central;
            let Some(named) = k.attempt.members.get(&central) else { continue };
            match word {
                Word::No => k.no.insert(central),
                Word::Yes if *named == at.stream.incarnation => k.yes.insert(central),
                Word::Bound if *named == at.stream.incarnation => k.bound.insert(central),
                Word::Yes | Word::Bound => continue,
            };
        }
        all
    }
}
