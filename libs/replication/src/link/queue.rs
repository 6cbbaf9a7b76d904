//! A queue with a name and a bound: by items and by bytes. What is dropped is counted; catch-up repairs it.

use std::collections::VecDeque;

/// Who goes when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// The oldest: the newest matters most.
    Oldest,
    /// The newest: what is in front was asked for first.
    Newest,
}

/// A bounded queue.
#[derive(Debug)]
pub struct Queue<T> {
    name: &'static str,
    /// Bytes, how many it counts for, and the item.
    items: VecDeque<(usize, usize, T)>,
    count: usize,
    bytes: usize,
    max_items: usize,
    max_bytes: usize,
    drop: Drop,
    dropped: u64,
}

impl<T> Queue<T> {
    /// An empty queue with these bounds.
    pub fn new(name: &'static str, max_items: usize, max_bytes: usize, drop: Drop) -> Self {
        Self { name, items: VecDeque::new(), count: 0, bytes: 0, max_items, max_bytes, drop, dropped: 0 }
    }

    /// Takes an item of so many bytes.
    pub fn push(&mut self, bytes: usize, item: T) {
        self.push_several(1, bytes, item);
    }

    /// Takes an item that counts for several.
    pub fn push_several(&mut self, count: usize, bytes: usize, item: T) {
        if bytes > self.max_bytes || count > self.max_items {
            self.dropped += count as u64;
            return;
        }
        let over = |q: &Self| q.count + count > q.max_items || q.bytes + bytes > q.max_bytes;
        while over(self) {
            if self.drop == Drop::Newest {
                self.dropped += count as u64;
                return;
            }
            let Some((n, _)) = self.pop_counted() else { return };
            self.dropped += n as u64;
        }
        self.bytes += bytes;
        self.count += count;
        self.items.push_back((bytes, count, item));
    }

    /// Counts some that were not even tried.
    pub fn drop_before(&mut self, count: usize) {
        self.dropped += count as u64;
    }

    /// Takes the item in front.
    pub fn pop(&mut self) -> Option<T> {
        self.pop_counted().map(|(_, item)| item)
    }

    fn pop_counted(&mut self) -> Option<(usize, T)> {
        let (bytes, count, item) = self.items.pop_front()?;
        self.bytes -= bytes;
        self.count -= count;
        Some((count, item))
    }

    /// Takes from the front as many as fit into the bounds, at least one if there is one.
    pub fn pop_many(&mut self, max_items: usize, max_bytes: usize) -> Vec<T> {
        let mut out = Vec::new();
        let (mut bytes, mut count) = (0, 0);
        while let Some((b, n, _)) = self.items.front() {
            (bytes, count) = (bytes + b, count + n);
            if !out.is_empty() && (bytes > max_bytes || count > max_items) {
                break;
            }
            out.extend(self.pop());
        }
        out
    }

    /// The item pushed last, while it waits.
    pub fn newest(&self) -> Option<&T> {
        self.items.back().map(|(_, _, item)| item)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True when none waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Throws everything away.
    pub fn clear(&mut self) {
        self.items.clear();
        (self.count, self.bytes) = (0, 0);
    }

    /// Name and number of what was dropped since the last call, if anything was.
    pub fn take_dropped(&mut self) -> Option<(&'static str, u64)> {
        let n = std::mem::take(&mut self.dropped);
        (n > 0).then_some((self.name, n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(mut q: Queue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| q.pop()).collect()
    }

    #[test]
    fn a_full_queue_drops_by_its_rule_and_counts() {
        let mut oldest = Queue::new("live", 2, 100, Drop::Oldest);
        let mut newest = Queue::new("backlog", 2, 100, Drop::Newest);
        for i in 1..=4 {
            oldest.push(1, i);
            newest.push(1, i);
        }
        assert_eq!((oldest.take_dropped(), newest.take_dropped()), (Some(("live", 2)), Some(("backlog", 2))));
        assert_eq!(oldest.take_dropped(), None);
        assert_eq!((drain(oldest), drain(newest)), (vec![3, 4], vec![1, 2]));
    }

    #[test]
    fn bytes_bound_as_well_and_what_never_fits_is_dropped() {
        let mut q = Queue::new("live", 100, 10, Drop::Oldest);
        q.push(6, 1);
        q.push(6, 2);
        q.push(11, 3);
        assert_eq!(q.take_dropped(), Some(("live", 2)));
        q.push(4, 4);
        assert_eq!(drain(q), [2, 4]);
    }

    #[test]
    fn an_item_may_count_for_several() {
        let mut q = Queue::new("live", 4, 100, Drop::Oldest);
        q.push_several(3, 1, 1);
        q.push_several(3, 1, 2);
        assert_eq!((q.take_dropped(), q.len()), (Some(("live", 3)), 3), "it takes the room of several");
        q.push(1, 3);
        assert_eq!(q.len(), 4);
        q.push_several(5, 1, 6);
        assert_eq!((q.take_dropped(), q.len()), (Some(("live", 5)), 4), "never more than the bound");
        assert_eq!(q.pop_many(3, 100), [2]);
        assert_eq!((q.pop_many(3, 100), q.len()), (vec![3], 0));
    }

    #[test]
    fn pop_many_stays_within_its_bounds_but_always_moves() {
        let mut q = Queue::new("live", 100, 1_000, Drop::Oldest);
        for i in 0..5 {
            q.push(40, i);
        }
        assert_eq!(q.pop_many(10, 100), [0, 1]);
        assert_eq!(q.pop_many(10, 1), [2]);
        assert_eq!(q.pop_many(1, 1_000), [3]);
    }
}
