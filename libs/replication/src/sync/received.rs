//! What peers say.

use wire::id::CentralId;
use wire::mesh::{Message, SyncResponse};
use wire::page;

use super::Sync;
use super::event::{Note, Output};
use crate::catchup::{Outcome, Page, Verdict, runs};

impl Sync {
    /// A peer's message. False for one that is not for sync.
    pub fn received(&mut self, now: i64, from: &CentralId, message: Message) -> bool {
        match message {
            Message::Positions(told) => self.catchup.positions_received(now, from, told),
            Message::SyncRequest(request) => {
                if self.catchup.is_configured(from) {
                    self.request_came(from, request);
                }
            }
            Message::SyncResponse(response) => self.page_came(now, from, &response),
            Message::Beat(beat) => {
                if let Some(digest) = beat.positions_digest {
                    self.catchup.digest_received(now, from, digest);
                }
            }
            _ => return false,
        }
        self.after(now);
        true
    }

    fn page_came(&mut self, now: i64, from: &CentralId, response: &SyncResponse) {
        if !self.catchup.expects(from, response.id) {
            return self.outputs.push(Output::Note(Note::Unasked { peer: from.clone() }));
        }
        let frames = if response.page.is_empty() { Ok(Vec::new()) } else { page::unpack(&response.page) };
        let frames = frames.unwrap_or_else(|e| {
            self.outputs.push(Output::Note(Note::BadPage { peer: from.clone(), reason: e.to_string() }));
            Vec::new()
        });
        let told = Page {
            id: response.id,
            more: response.more,
            brought: runs(&frames),
            not_held: response.not_held.clone(),
        };
        if let Verdict::Apply(ticket) = self.catchup.page_received(now, from, &told)
            && !self.store(from, ticket, frames)
        {
            let error = Some(wire::bus::reason::PAGES_WAIT.to_owned());
            self.catchup.applied(now, ticket, Outcome { error, ..Outcome::default() });
        }
    }
}
