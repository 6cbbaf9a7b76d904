//! What a run of pages holds, collected page by page.

use super::manifest::{PageEntry, StreamPart};
use super::{BadBundle, MAX_PAGES, MAX_PARTS};
use crate::event::Frame;
use crate::hash::Hash32;

/// Pages and positions so far.
#[derive(Debug, Default)]
pub struct Contents {
    pages: Vec<PageEntry>,
    streams: Vec<StreamPart>,
    events: u64,
    chain_breaks: u64,
    /// Hashes at the position before the last one, and at the last one, of the last run.
    before: Vec<Hash32>,
    last: Vec<Hash32>,
}

impl Contents {
    /// Takes a page in. Errors: more pages or runs than a bundle may have.
    pub fn add(&mut self, page: &[u8], frames: &[Frame]) -> Result<(), BadBundle> {
        if self.pages.len() >= MAX_PAGES {
            return Err(BadBundle::TooLarge("the number of pages"));
        }
        for f in frames {
            self.event(f)?;
        }
        let events = u32::try_from(frames.len()).map_err(|_| BadBundle::TooLarge("a page"))?;
        self.pages.push(PageEntry { sha256: Hash32::of(&[page]), events });
        Ok(())
    }

    fn event(&mut self, f: &Frame) -> Result<(), BadBundle> {
        self.events += 1;
        let (at, hash) = (&f.header().position, f.hash());
        if let Some(run) = self.streams.last_mut().filter(|r| r.stream == at.stream) {
            let branch = at.seq == run.to;
            if branch || Some(at.seq) == run.to.checked_add(1) {
                if branch {
                    self.last.push(hash);
                } else {
                    self.before = std::mem::replace(&mut self.last, vec![hash]);
                }
                let linked = self.before.is_empty() || self.before.contains(&f.header().prev_hash);
                self.chain_breaks += u64::from(!linked);
                run.to = at.seq;
                run.last_hash = hash;
                run.events += 1;
                return Ok(());
            }
        }
        if self.streams.len() >= MAX_PARTS {
            return Err(BadBundle::TooLarge("the number of runs of positions"));
        }
        self.before.clear();
        self.last = vec![hash];
        self.streams.push(StreamPart {
            stream: at.stream.clone(),
            from: at.seq,
            to: at.seq,
            first_hash: hash,
            last_hash: hash,
            events: 1,
        });
        Ok(())
    }

    /// The pages so far.
    pub fn pages(&self) -> &[PageEntry] {
        &self.pages
    }

    /// The runs of positions so far.
    pub fn streams(&self) -> &[StreamPart] {
        &self.streams
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Places so far where neighbours do not link.
    pub fn chain_breaks(&self) -> u64 {
        self.chain_breaks
    }

    /// Everything, to be put into a manifest.
    pub(super) fn into_parts(self) -> (Vec<PageEntry>, Vec<StreamPart>) {
        (self.pages, self.streams)
    }
}
