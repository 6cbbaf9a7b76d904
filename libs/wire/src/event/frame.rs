//! The frame: header and content as one run of bytes, with its hash.

use bytes::Bytes;

use super::header::Header;
use crate::hash::Hash32;

/// The version this release writes.
pub(super) const VERSION: u8 = 1;
/// No event is larger. Bounds every queue that counts events.
pub const MAX_FRAME_BYTES: usize = 32 * 1024;

const FULL: u8 = 1;
const ERASED: u8 = 0;
const FIXED: usize = 4;

/// The salt of a body: keeps an erased body from being guessed from its hash.
pub type Salt = [u8; 16];

/// Why bytes are not an event. Depends on the bytes alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// Cut short, or larger than [`MAX_FRAME_BYTES`].
    #[error("event frame has {0} bytes, cut short or too long")]
    Length(usize),
    /// The form byte is neither full nor erased.
    #[error("event frame has unknown form {0}")]
    Form(u8),
    /// The header cannot be read.
    #[error("event header cannot be read")]
    Header,
}

/// An event as stored and relayed. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    header: Header,
    hash: Hash32,
    content_at: usize,
}

/// What follows the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// Salt and body.
    Full {
        /// The salt.
        salt: &'a [u8],
        /// The body, JSON.
        body: &'a [u8],
    },
    /// The body is gone; its commitment stays.
    Erased {
        /// H(salt | body).
        commitment: Hash32,
    },
}

impl Frame {
    /// Writes a new event. `body` is JSON. Errors: [`BadFrame::Length`] when it is too large.
    pub fn write(header: Header, salt: &Salt, body: &[u8]) -> Result<Self, BadFrame> {
        let h = header.encode();
        let len = FIXED + h.len() + 16 + body.len();
        if len > MAX_FRAME_BYTES {
            return Err(BadFrame::Length(len));
        }
        let mut b = Vec::with_capacity(len);
        b.extend_from_slice(&[VERSION, FULL]);
        b.extend_from_slice(&(h.len() as u16).to_be_bytes());
        b.extend_from_slice(&h);
        b.extend_from_slice(salt);
        b.extend_from_slice(body);
        Self::parse(Bytes::from(b))
    }

    /// Reads stored or relayed bytes and computes the hash. Checks form, not the chain.
    pub fn parse(bytes: Bytes) -> Result<Self, BadFrame> {
        let n = bytes.len();
        if !(FIXED..=MAX_FRAME_BYTES).contains(&n) {
            return Err(BadFrame::Length(n));
        }
        let content_at = FIXED + u16::from_be_bytes([bytes[2], bytes[3]]) as usize;
        let tail = n.checked_sub(content_at).ok_or(BadFrame::Length(n))?;
        match bytes[1] {
            FULL if tail < 16 => return Err(BadFrame::Length(n)),
            ERASED if tail != 32 => return Err(BadFrame::Length(n)),
            FULL | ERASED => {}
            other => return Err(BadFrame::Form(other)),
        }
        let header_bytes = &bytes[FIXED..content_at];
        let header = Header::decode(header_bytes).ok_or(BadFrame::Header)?;
        let commitment = match bytes[1] {
            FULL => Hash32::of(&[&bytes[content_at..]]),
            _ => Hash32::from_slice(&bytes[content_at..]).ok_or(BadFrame::Length(n))?,
        };
        let hash = Hash32::of(&[b"parkmesh/event", &bytes[..1], header_bytes, commitment.as_bytes()]);
        Ok(Self { bytes, header, hash, content_at })
    }

    /// The version the origin wrote.
    pub fn version(&self) -> u8 {
        self.bytes[0]
    }

    /// True when this release can project the event: a version and kind it knows.
    pub fn is_known(&self) -> bool {
        self.version() <= VERSION && !matches!(self.header.kind, super::Kind::Unknown(_))
    }

    /// The bytes, as the origin wrote them (or their erased form).
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The hash: names the event's content, in both forms.
    pub fn hash(&self) -> Hash32 {
        self.hash
    }

    /// Salt and body, or the commitment.
    pub fn content(&self) -> Content<'_> {
        let c = &self.bytes[self.content_at..];
        if self.bytes[1] == FULL {
            Content::Full { salt: &c[..16], body: &c[16..] }
        } else {
            Content::Erased { commitment: Hash32::from_slice(c).unwrap_or_default() }
        }
    }

    /// True when the body is gone.
    pub fn is_erased(&self) -> bool {
        self.bytes[1] == ERASED
    }

    /// The same event without salt and body.
    pub fn erased(&self) -> Self {
        if self.is_erased() {
            return self.clone();
        }
        let mut b = Vec::with_capacity(self.content_at + 32);
        b.extend_from_slice(&self.bytes[..self.content_at]);
        b[1] = ERASED;
        b.extend_from_slice(Hash32::of(&[&self.bytes[self.content_at..]]).as_bytes());
        Self {
            bytes: Bytes::from(b),
            header: self.header.clone(),
            hash: self.hash,
            content_at: self.content_at,
        }
    }

    /// The order of events: (occurred_at, central, incarnation, seq, hash). Total, the same everywhere.
    pub fn rank(&self) -> (i64, &crate::position::Position, Hash32) {
        (self.header.occurred_at, &self.header.position, self.hash)
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No body here: frames reach logs, plates must not.
        write!(f, "{} {} {}", self.header.kind, self.header.position, self.hash)
    }
}
