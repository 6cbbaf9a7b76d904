//! Reads a bundle record by record, in bounded memory.

use std::io::{self, Read};

use super::{
    BadBundle, KIND_MANIFEST, KIND_PAGE, KIND_SEAL, MAGIC, MAX_MANIFEST_BYTES, MAX_PAGES, MAX_SEAL_BYTES,
    VERSION,
};
use crate::page::MAX_PAGE_BYTES;

/// One record's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A page of events.
    Page(Vec<u8>),
    /// The manifest, JSON.
    Manifest(Vec<u8>),
    /// The seal, JSON.
    Seal(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    PageOrManifest,
    Seal,
    End,
}

/// The records of a bundle, in the order they must have.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    next: Next,
    pages: usize,
}

impl<R: Read> Reader<R> {
    /// Reads the front. Errors: no bundle, or one of another version.
    pub fn new(source: R) -> Result<Self, BadBundle> {
        let mut me = Self { source, next: Next::PageOrManifest, pages: 0 };
        let front = match me.exactly(MAGIC.len() + 1) {
            Ok(front) => front,
            Err(BadBundle::CutShort { .. }) => return Err(BadBundle::Magic),
            Err(e) => return Err(e),
        };
        match front.split_last() {
            Some((_, magic)) if magic != MAGIC => Err(BadBundle::Magic),
            Some((&VERSION, _)) => Ok(me),
            Some((&version, _)) => Err(BadBundle::Version(version)),
            None => Err(BadBundle::Magic),
        }
    }

    fn exactly(&mut self, n: usize) -> Result<Vec<u8>, BadBundle> {
        // Grows as bytes come: a length nobody backs up costs nothing.
        let mut bytes = Vec::new();
        self.source.by_ref().take(n as u64).read_to_end(&mut bytes).map_err(BadBundle::Io)?;
        if bytes.len() < n { Err(BadBundle::CutShort { pages: self.pages }) } else { Ok(bytes) }
    }

    /// The next record; none behind the seal, where the file must end. Errors: [`BadBundle`].
    pub fn next_record(&mut self) -> Result<Option<Record>, BadBundle> {
        if self.next == Next::End {
            let mut more = [0];
            loop {
                match self.source.read(&mut more) {
                    Ok(0) => return Ok(None),
                    Ok(_) => return Err(BadBundle::Trailing),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(BadBundle::Io(e)),
                }
            }
        }
        let head = self.exactly(5)?;
        let kind = head[0];
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let (what, bound, next) = match (self.next, kind) {
            (Next::PageOrManifest, KIND_PAGE) => ("a page", MAX_PAGE_BYTES, Next::PageOrManifest),
            (Next::PageOrManifest, KIND_MANIFEST) => ("the manifest", MAX_MANIFEST_BYTES, Next::Seal),
            (Next::Seal, KIND_SEAL) => ("the seal", MAX_SEAL_BYTES, Next::End),
            _ => return Err(BadBundle::Order(kind)),
        };
        if length > bound || (kind == KIND_PAGE && self.pages >= MAX_PAGES) {
            return Err(BadBundle::TooLarge(what));
        }
        let bytes = self.exactly(length)?;
        self.next = next;
        Ok(Some(match kind {
            KIND_PAGE => {
                self.pages += 1;
                Record::Page(bytes)
            }
            KIND_MANIFEST => Record::Manifest(bytes),
            _ => Record::Seal(bytes),
        }))
    }
}
