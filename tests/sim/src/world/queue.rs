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
    items: VecDeque<(usize, T)>,
    bytes: usize,
    max_items: usize,
    max_bytes: usize,
    drop: Drop,
    dropped: u64,
}

impl<T> Queue<T> {
    pub fn new(name: &'static str, max_items: usize, max_bytes: usize, drop: Drop) -> Self {
        Self { name, items: VecDeque::new(), bytes: 0, max_items, max_bytes, drop, dropped: 0 }
    }

    /// Takes an item of so many bytes.
    pub fn push(&mut self, bytes: usize, item: T) {
        if bytes > self.max_bytes {
            self.dropped += 1;
            return;
        }
        let over = |q: &Self| q.items.len() >= q.max_items || q.bytes + bytes > q.max_bytes;
        while over(self) {
            self.dropped += 1;
            if self.drop == Drop::Newest || self.pop().is_none() {
                return;
            }
        }
        self.bytes += bytes;
        self.items.push_back((bytes, item));
    }

    pub fn pop(&mut self) -> Option<T> {
        let (bytes, item) = self.items.pop_front()?;
        self.bytes -= bytes;
        Some(item)
    }

    /// Takes from the front as many as fit into the bounds, at least one if there is one.
    pub fn pop_many(&mut self, max_items: usize, max_bytes: usize) -> Vec<T> {
        let mut out = Vec::new();
        let mut bytes = 0;
        while let Some((b, _)) = self.items.front() {
            bytes += b;
            if !out.is_empty() && (bytes > max_bytes || out.len() >= max_items) {
                break;
            }
            out.extend(self.pop());
        }
        out
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn clear(&mut self) {
        self.items.clear();
        self.bytes = 0;
    }

    /// Name and number of what was dropped since the last call, if anything was.
    pub fn take_dropped(&mut self) -> Option<(&'static str, u64)> {
        let n = std::mem::take(&mut self.dropped);
        (n > 0).then_some((self.name, n))
    }
}
