//! What is said by way of the log.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

/// A central.
pub type Central = u8;
/// An incarnation; random in life, drawn without repetition by the world here.
pub type Incarnation = u32;
/// Seals are numbered from 1.
pub type Number = usize;
/// Hash of a seal's content; names it.
pub type ContentHash = u64;

/// The events one incarnation wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    /// Its central.
    pub central: Central,
    /// The incarnation.
    pub incarnation: Incarnation,
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The stream.
    pub stream: Stream,
    /// From 1, without holes.
    pub seq: u32,
}

/// What a seal covers: of each stream the events up to a floor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Content {
    /// Which seal.
    pub number: Number,
    /// The content of the seal before; 0 before the first.
    pub before: ContentHash,
    /// The highest seq covered of each stream.
    pub floors: BTreeMap<Stream, u32>,
    /// Hash over position and bytes of every event between the floors before and these.
    pub events: u64,
}

impl Content {
    /// Its name.
    pub fn hash(&self) -> ContentHash {
        hash(self)
    }
}

/// An attempt at a seal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// What is to be sealed.
    pub content: Content,
    /// Every member, with the incarnation it is asked in.
    pub members: BTreeMap<Central, Incarnation>,
}

impl Attempt {
    /// Who takes part.
    pub fn set(&self) -> BTreeSet<Central> {
        self.members.keys().copied().collect()
    }
}

/// What a member says to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Word {
    /// Not like this: the attempt is over.
    No,
    /// I hold exactly that, and am bound to nothing else.
    Yes,
    /// I saw every yes, and say yes to nothing else from now on.
    Bound,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// About a vehicle: what seals are for.
    Passage(u64),
    /// Kind 23.
    Proposed(Attempt),
    /// Kind 24.
    Said {
        /// The proposal.
        to: Position,
        /// What.
        word: Word,
    },
}

impl Event {
    /// True for what goes when it is sealed. What seals are made of stays: it is few, and it is what members remember by.
    pub fn goes(&self) -> bool {
        matches!(self, Event::Passage(_))
    }
}

/// Any hash will do: nobody forges anything here.
pub(crate) fn hash(of: &impl Hash) -> u64 {
    let mut h = DefaultHasher::new();
    of.hash(&mut h);
    h.finish()
}
