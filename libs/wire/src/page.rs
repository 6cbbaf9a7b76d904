//! A page of events: what catch-up and bundles carry.
//!
//! ```text
//! page  := version u8 | zstd( entry* )
//! entry := flags u8 | length u32 (big endian) | frame, without its prev_hash where flags bit 0 is set
//! ```
//! Bit 0: the event's `prev_hash` is the hash of the entry before it, so it is left out and computed again by the reader. A
//! page is bounded when written and again when unpacked.

use bytes::Bytes;

use crate::event::{BadFrame, Frame};
use crate::hash::Hash32;

/// Raw bytes of one page at most.
pub const MAX_RAW_BYTES: usize = 768 * 1024;
/// Compressed bytes of one page at most.
pub const MAX_PAGE_BYTES: usize = 256 * 1024;

const VERSION: u8 = 1;
const LEVEL: i32 = 3;
const PREV_LEFT_OUT: u8 = 1;
/// Frame bytes before the header (version, form, length) and the `prev_hash` behind them.
const PREV_AT: std::ops::Range<usize> = 4..36;

/// Why a page was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPage {
    /// A version this release does not read.
    #[error("page version {0} is not known")]
    Version(u8),
    /// Not zstd, or larger than [`MAX_RAW_BYTES`] unpacked.
    #[error("page cannot be unpacked within {MAX_RAW_BYTES} bytes")]
    Unpack,
    /// An entry is cut short.
    #[error("page entry {0} is cut short")]
    CutShort(usize),
    /// An entry is no event.
    #[error("page entry {index}: {source}")]
    Frame {
        /// Which.
        index: usize,
        /// Why.
        #[source]
        source: BadFrame,
    },
    /// The page would be larger than its bounds.
    #[error("page is too large")]
    TooLarge,
}

/// Packs frames, as many from the front as fit; returns the page and how many went in (at least one, unless none was given).
pub fn pack(frames: &[Frame]) -> Result<(Vec<u8>, usize), BadPage> {
    let mut n = frames.len();
    loop {
        let mut raw = Vec::with_capacity(64 * 1024);
        let mut before: Option<Hash32> = None;
        let mut took = 0;
        for f in &frames[..n] {
            let b = f.bytes();
            if raw.len() + b.len() + 5 > MAX_RAW_BYTES {
                break;
            }
            let leave_out = before == Some(f.header().prev_hash) && b.len() >= PREV_AT.end;
            let len = if leave_out { b.len() - 32 } else { b.len() };
            raw.push(if leave_out { PREV_LEFT_OUT } else { 0 });
            raw.extend_from_slice(&(len as u32).to_be_bytes());
            if leave_out {
                raw.extend_from_slice(&b[..PREV_AT.start]);
                raw.extend_from_slice(&b[PREV_AT.end..]);
            } else {
                raw.extend_from_slice(b);
            }
            before = Some(f.hash());
            took += 1;
        }
        let mut page = vec![VERSION];
        page.extend_from_slice(&zstd::bulk::compress(&raw, LEVEL).map_err(|_| BadPage::TooLarge)?);
        if page.len() <= MAX_PAGE_BYTES {
            return Ok((page, took));
        }
        if took <= 1 {
            return Err(BadPage::TooLarge);
        }
        n = took / 2;
    }
}

/// Unpacks a page. Errors: [`BadPage`]; nothing of a bad page is used.
pub fn unpack(page: &[u8]) -> Result<Vec<Frame>, BadPage> {
    let (&version, packed) = page.split_first().ok_or(BadPage::CutShort(0))?;
    if version != VERSION {
        return Err(BadPage::Version(version));
    }
    let raw = zstd::bulk::decompress(packed, MAX_RAW_BYTES).map_err(|_| BadPage::Unpack)?;
    let mut rest = &raw[..];
    let mut frames: Vec<Frame> = Vec::new();
    while !rest.is_empty() {
        let index = frames.len();
        let cut = BadPage::CutShort(index);
        let (head, tail) = rest.split_at_checked(5).ok_or(cut.clone())?;
        let len = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let (body, tail) = tail.split_at_checked(len).ok_or(cut.clone())?;
        rest = tail;
        let bytes = if head[0] & PREV_LEFT_OUT != 0 {
            let prev = frames.last().map(Frame::hash).ok_or(cut.clone())?;
            if body.len() < PREV_AT.start {
                return Err(cut);
            }
            let mut b = Vec::with_capacity(len + 32);
            b.extend_from_slice(&body[..PREV_AT.start]);
            b.extend_from_slice(prev.as_bytes());
            b.extend_from_slice(&body[PREV_AT.start..]);
            Bytes::from(b)
        } else {
            Bytes::copy_from_slice(body)
        };
        frames.push(Frame::parse(bytes).map_err(|source| BadPage::Frame { index, source })?);
    }
    Ok(frames)
}
