//! The encoding row hashes are taken over: every value with its length or presence, so that no two rows share one.

use wire::hash::Hash32;

use super::row::EventRef;

/// Bytes to hash.
pub(super) struct Canonical(Vec<u8>);

impl Canonical {
    pub(super) fn new(domain: &str) -> Self {
        let mut c = Self(Vec::with_capacity(512));
        c.text(domain);
        c
    }

    pub(super) fn bytes(&mut self, b: &[u8]) {
        self.u64(b.len() as u64);
        self.0.extend_from_slice(b);
    }

    pub(super) fn text(&mut self, s: &str) {
        self.bytes(s.as_bytes());
    }

    pub(super) fn u64(&mut self, n: u64) {
        self.0.extend_from_slice(&n.to_be_bytes());
    }

    pub(super) fn i64(&mut self, n: i64) {
        self.0.extend_from_slice(&n.to_be_bytes());
    }

    pub(super) fn bool(&mut self, b: bool) {
        self.0.push(u8::from(b));
    }

    pub(super) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.bool(value.is_some());
        if let Some(v) = value {
            write(self, v);
        }
    }

    pub(super) fn list<'a, T: 'a>(
        &mut self,
        items: impl IntoIterator<Item = &'a T, IntoIter: ExactSizeIterator>,
        write: impl Fn(&mut Self, &'a T),
    ) {
        let items = items.into_iter();
        self.u64(items.len() as u64);
        for i in items {
            write(self, i);
        }
    }

    pub(super) fn event(&mut self, e: &EventRef) {
        self.text(e.position.stream.central.as_str());
        self.0.extend_from_slice(&e.position.stream.incarnation.0.to_be_bytes());
        self.u64(e.position.seq);
        self.0.extend_from_slice(e.hash.as_bytes());
    }

    pub(super) fn finish(self) -> Hash32 {
        Hash32::of(&[&self.0])
    }
}
