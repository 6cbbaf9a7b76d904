//! Reading the own holdings from the ledger, again and again.

use wire::position::StreamHoldings;

use super::Sync;
use super::event::{Note, Output};

/// Between two readings, ms: nothing in memory is trusted for longer.
const EVERY_MS: i64 = 10_000;
/// After one that failed, ms.
const AGAIN_MS: i64 = 500;
/// Pages of the position map read at most: a map larger than this is not believable.
const MAP_PAGES: usize = 1000;

/// When to read next, and how far the reading under way has come.
#[derive(Debug)]
pub(super) struct Reading {
    request: Option<u64>,
    got: Vec<StreamHoldings>,
    pages: usize,
    due: i64,
    failing: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self { request: None, got: Vec::new(), pages: 0, due: i64::MIN, failing: false }
    }
}

impl Reading {
    /// Read as soon as possible.
    pub(super) fn now(&mut self) {
        self.due = i64::MIN;
    }

    /// Read as soon as possible; what is under way comes to nothing.
    pub(super) fn anew(&mut self) {
        (self.request, self.got) = (None, Vec::new());
        self.now();
    }

    /// When the next one is due, ms; none while one is under way.
    pub(super) fn due(&self) -> Option<i64> {
        self.request.is_none().then_some(self.due)
    }
}

impl Sync {
    /// Begins a reading if one is due.
    pub(super) fn read(&mut self, now: i64) {
        if self.reading.due().is_none_or(|due| now < due) {
            return;
        }
        let request = self.number();
        let r = &mut self.reading;
        (r.request, r.got, r.pages) = (Some(request), Vec::new(), 0);
        r.due = now + EVERY_MS;
        self.catchup.reading_began();
        self.outputs.push(Output::ReadHoldings { request, after: None });
    }

    /// A page of the own holdings was read, and whether more follow; or not.
    pub fn holdings_page(
        &mut self,
        now: i64,
        request: u64,
        page: Result<(Vec<StreamHoldings>, bool), String>,
    ) {
        if self.reading.request != Some(request) {
            return;
        }
        match page {
            Ok((streams, more)) => self.take_page_of_map(now, streams, more),
            Err(reason) => self.reading_failed(now, reason),
        }
        self.after(now);
    }

    fn take_page_of_map(&mut self, now: i64, streams: Vec<StreamHoldings>, more: bool) {
        let after = streams.last().map(|s| s.stream.clone());
        self.reading.got.extend(streams);
        self.reading.pages += 1;
        if more && after.is_some() {
            if self.reading.pages >= MAP_PAGES {
                return self.reading_failed(now, "the position map does not end".to_owned());
            }
            let request = self.number();
            self.reading.request = Some(request);
            self.outputs.push(Output::ReadHoldings { request, after });
            return;
        }
        self.reading.request = None;
        self.reading.failing = false;
        let all = std::mem::take(&mut self.reading.got);
        self.catchup.holdings_read(now, all);
        self.outputs.push(Output::Note(Note::Read));
    }

    fn reading_failed(&mut self, now: i64, reason: String) {
        let r = &mut self.reading;
        (r.request, r.got) = (None, Vec::new());
        r.due = r.due.min(now + AGAIN_MS);
        if !std::mem::replace(&mut r.failing, true) {
            self.outputs.push(Output::Note(Note::NotRead { reason }));
        }
    }
}
