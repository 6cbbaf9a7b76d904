//! Documents on their way in, part by part.

use std::collections::VecDeque;

use wire::bus::reference::{Origin, PutPart};
use wire::reference::{MAX_PARTS, PART_BYTES};

/// Uploads at once at most: sync sends one at a time, and begins again after a restart.
const UPLOADS: usize = 4;

/// What became of a part.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// More are needed.
    More,
    /// It is not the one that was to come.
    OutOfOrder,
    /// The document is whole.
    Last(Vec<u8>, Origin),
}

#[derive(Debug)]
struct Upload {
    number: u64,
    next: u32,
    bytes: Vec<u8>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Uploads(VecDeque<Upload>);

impl Uploads {
    pub(super) fn take(&mut self, p: PutPart) -> Part {
        let at = self.0.iter().position(|u| u.number == p.upload);
        let mut upload = match at.and_then(|i| self.0.remove(i)) {
            Some(u) => u,
            None => Upload { number: p.upload, next: 0, bytes: Vec::new() },
        };
        let fits = p.part == upload.next && p.part < p.parts && p.parts <= MAX_PARTS;
        if !fits || p.bytes.len() > PART_BYTES {
            return Part::OutOfOrder;
        }
        upload.bytes.extend_from_slice(&p.bytes);
        upload.next += 1;
        if upload.next == p.parts {
            return Part::Last(upload.bytes, p.origin);
        }
        if self.0.len() >= UPLOADS {
            self.0.pop_front();
        }
        self.0.push_back(upload);
        Part::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::reference::DocumentKind;

    fn part(upload: u64, part: u32, parts: u32, bytes: &[u8]) -> PutPart {
        let origin = Origin::Api { kind: DocumentKind::Staff, etag: None, fetched_at: 1 };
        PutPart { upload, part, parts, origin, bytes: bytes.to_vec() }
    }

    #[test]
    fn parts_in_order_make_a_document() {
        let mut u = Uploads::default();
        assert_eq!(u.take(part(1, 0, 2, b"ab")), Part::More);
        assert_eq!(u.take(part(2, 0, 1, b"x")), Part::Last(b"x".to_vec(), part(0, 0, 0, b"").origin));
        assert_eq!(u.take(part(1, 1, 2, b"c")), Part::Last(b"abc".to_vec(), part(0, 0, 0, b"").origin));
    }

    #[test]
    fn a_lost_part_ends_the_upload() {
        let mut u = Uploads::default();
        assert_eq!(u.take(part(1, 0, 3, b"a")), Part::More);
        assert_eq!(u.take(part(1, 2, 3, b"c")), Part::OutOfOrder);
        assert_eq!(u.take(part(1, 1, 3, b"b")), Part::OutOfOrder);
        assert_eq!(u.take(part(1, 0, MAX_PARTS + 1, b"a")), Part::OutOfOrder);
        assert_eq!(u.take(part(1, 0, 2, &vec![0; PART_BYTES + 1])), Part::OutOfOrder);
    }

    #[test]
    fn uploads_that_never_end_make_room() {
        let mut u = Uploads::default();
        for n in 0..100 {
            assert_eq!(u.take(part(n, 0, 2, b"a")), Part::More);
        }
        assert_eq!(u.0.len(), UPLOADS);
        assert_eq!(u.take(part(0, 1, 2, b"b")), Part::OutOfOrder);
    }
}
