//! A bundle: a stretch of the log as a file, for a site without any link. The same pages catch-up sends, a manifest that says
//! what they hold, and a seal over the manifest.
//!
//! ```text
//! file   := "parkmesh-bundle\n" | version u8 | page* | manifest | seal
//! record := kind u8 | length u32 (big endian) | bytes
//! ```
//! `page` (kind 1) is a page of [`crate::page`]; `manifest` (kind 2) and `seal` (kind 3) are JSON. The manifest stands behind the
//! pages, so that a bundle of any size is written without keeping it; it names every page by its SHA-256, and the seal is made
//! over the manifest's bytes. So nothing can be left out, put in or exchanged, and a file that ends early has no seal.
//!
//! [`Writer`] and [`check`] collect what the pages hold by the same rules ([`Contents`]): a manifest that says something else than
//! its pages is refused.

mod check;
mod contents;
mod manifest;
mod read;
mod seal;
mod write;

pub use check::{Checked, check};
pub use contents::Contents;
pub use manifest::{Manifest, PageEntry, StreamPart, Wanted};
pub use read::{Reader, Record};
pub use seal::{Hex, Seal, keyed, keyed_fits, signed_bytes};
pub use write::Writer;

use crate::page::BadPage;

/// The first bytes of every bundle.
pub const MAGIC: &[u8; 16] = b"parkmesh-bundle\n";
/// The version this release writes, and the only one it reads.
pub const VERSION: u8 = 1;
/// Media type of a bundle.
pub const MEDIA_TYPE: &str = "application/vnd.parkmesh.bundle";

/// Pages of one bundle at most (at 256 KiB each: 10 GiB).
pub const MAX_PAGES: usize = 40_000;
/// Runs of positions of one bundle at most.
pub const MAX_PARTS: usize = 40_000;
/// Bytes of a manifest at most.
pub const MAX_MANIFEST_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of a seal at most: a signature and a short chain of certificates.
pub const MAX_SEAL_BYTES: usize = 64 * 1024;

const KIND_PAGE: u8 = 1;
const KIND_MANIFEST: u8 = 2;
const KIND_SEAL: u8 = 3;

/// Why a file was refused. Nothing of a refused file is used.
#[derive(Debug, thiserror::Error)]
pub enum BadBundle {
    /// The file itself cannot be read.
    #[error("cannot be read")]
    Io(#[source] std::io::Error),
    /// Other bytes at the front.
    #[error("is no parkmesh bundle")]
    Magic,
    /// A version this release does not read.
    #[error("version {0} is not known here")]
    Version(u8),
    /// The file ends where more must follow.
    #[error("is cut short after {pages} pages")]
    CutShort {
        /// Whole pages before that.
        pages: usize,
    },
    /// A record of an unknown kind, or out of turn.
    #[error("record {0} stands where it cannot stand")]
    Order(u8),
    /// Longer than its bound.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// Bytes behind the seal.
    #[error("goes on behind its seal")]
    Trailing,
    /// A page that cannot be unpacked.
    #[error("page {index}: {source}")]
    Page {
        /// Which, from 0.
        index: usize,
        /// Why.
        #[source]
        source: BadPage,
    },
    /// A page that is not the one the manifest names.
    #[error("page {0} is not what the manifest says")]
    OtherPage(usize),
    /// Other events than the manifest says.
    #[error("its events are not what the manifest says")]
    OtherEvents,
    /// Unreadable JSON.
    #[error("{what} cannot be read: {reason}")]
    Json {
        /// Manifest or seal.
        what: &'static str,
        /// Where and why.
        reason: String,
    },
}
