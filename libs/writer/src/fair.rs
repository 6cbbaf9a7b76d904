//! A bounded queue of several senders, who are served in turn: one that sends without end waits behind its own, and nobody else does.

use std::collections::{BTreeMap, VecDeque};

/// Of the room one sender may fill so much, as long as there are others' parts to keep free.
const SHARE: usize = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Fair<T> {
    room: usize,
    waiting: usize,
    by_sender: BTreeMap<String, VecDeque<T>>,
    /// Senders with something waiting, the next one first.
    turns: VecDeque<String>,
}

impl<T> Fair<T> {
    /// An empty one for so many.
    pub(crate) fn new(room: usize) -> Self {
        Self { room, waiting: 0, by_sender: BTreeMap::new(), turns: VecDeque::new() }
    }

    /// What waits, of all together.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// True when nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Queues. Errors: no room, or none for this sender, who has half of it filled.
    pub(crate) fn push(&mut self, sender: &str, item: T) -> Result<(), T> {
        if self.waiting >= self.room {
            return Err(item);
        }
        match self.by_sender.get_mut(sender) {
            Some(own) if own.len() >= (self.room / SHARE).max(1) => return Err(item),
            Some(own) => own.push_back(item),
            None => {
                self.by_sender.insert(sender.to_owned(), VecDeque::from([item]));
                self.turns.push_back(sender.to_owned());
            }
        }
        self.waiting += 1;
        Ok(())
    }

    /// Takes at most so many, one of each sender in turn.
    pub(crate) fn take(&mut self, most: usize) -> Vec<T> {
        let mut taken = Vec::with_capacity(most.min(self.waiting));
        while taken.len() < most
            && let Some(sender) = self.turns.pop_front()
        {
            let Some(own) = self.by_sender.get_mut(&sender) else { continue };
            taken.extend(own.pop_front());
            if own.is_empty() {
                self.by_sender.remove(&sender);
            } else {
                self.turns.push_back(sender);
            }
        }
        self.waiting -= taken.len();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_sends_without_end_waits_behind_its_own() {
        let mut q = Fair::new(1000);
        assert!((0..400).all(|n| q.push("noisy", n).is_ok()));
        assert!(
            q.push("quiet", 1000).is_ok() && q.push("quiet", 1001).is_ok() && q.push("third", 2000).is_ok()
        );
        assert_eq!(q.take(5), [0, 1000, 2000, 1, 1001], "in turn, each in its own order");
        assert_eq!(q.take(3), [2, 3, 4], "alone again: at full speed");
        assert_eq!((q.len(), q.take(usize::MAX).len(), q.is_empty()), (395, 395, true));
        assert!(q.take(5).is_empty());
    }

    #[test]
    fn one_sender_fills_half_of_the_room_at_most() {
        let mut q = Fair::new(10);
        assert!((0..5).all(|n| q.push("noisy", n).is_ok()));
        assert_eq!(q.push("noisy", 5), Err(5));
        assert!((0..5).all(|n| q.push("other", n).is_ok()));
        assert_eq!(q.push("third", 9), Err(9), "the room is full");
        assert_eq!(q.take(1), [0]);
        assert_eq!(q.push("third", 9), Ok(()));
        assert_eq!(Fair::new(1).push("only", 1), Ok(()));
    }
}
