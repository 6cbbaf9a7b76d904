//! Numbers of streams in this database: rows name streams by them.

use std::collections::{BTreeMap, HashMap};

use ::writer::NewEvent;
use wire::position::StreamId;

use crate::store::closure::StreamNumbers;
use crate::store::events::Row;

/// See the module. A number given is kept by the commit that stores its stream; after an error all are loaded anew.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    of: HashMap<StreamId, i32>,
    next: i32,
}

impl StreamNumbers for Numbers {
    fn number(&self, stream: &StreamId) -> Option<i32> {
        self.of.get(stream).copied()
    }
}

impl Numbers {
    /// Those that are stored.
    pub(super) fn of(stored: HashMap<StreamId, i32>) -> Self {
        Self { next: stored.values().max().map_or(1, |n| n + 1), of: stored }
    }

    /// The stream of a number.
    pub(super) fn stream_of(&self, number: i32) -> Option<StreamId> {
        self.of.iter().find(|(_, n)| **n == number).map(|(s, _)| s.clone())
    }

    /// Gives a number to a stream: the one its events are stored under.
    pub(super) fn assign(&mut self, number: i32, stream: &StreamId) {
        self.of.retain(|s, n| *n != number || s == stream);
        self.of.insert(stream.clone(), number);
        self.next = self.next.max(number + 1);
    }

    /// The number of a stream; a new one is given, and noted in `new`, where it has none.
    pub(super) fn or_new(&mut self, stream: &StreamId, new: &mut BTreeMap<i32, StreamId>) -> i32 {
        if let Some(n) = self.of.get(stream) {
            return *n;
        }
        let n = self.next;
        self.next += 1;
        self.of.insert(stream.clone(), n);
        new.insert(n, stream.clone());
        n
    }

    /// Rows of new events, and the streams that got a number for them.
    pub(super) fn rows<'a>(&mut self, events: &'a [NewEvent]) -> (Vec<Row<'a>>, BTreeMap<i32, StreamId>) {
        let mut new = BTreeMap::new();
        let rows = events
            .iter()
            .map(|event| {
                let h = event.frame.header();
                Row {
                    event,
                    stream: self.or_new(&h.position.stream, &mut new),
                    opening: h.opening.as_ref().map(|o| (self.or_new(&o.stream, &mut new), o.seq as i64)),
                }
            })
            .collect();
        (rows, new)
    }
}
