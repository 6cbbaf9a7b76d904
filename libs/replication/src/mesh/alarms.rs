//! What people must look at.

use wire::alarm::{AlarmCode, AlarmNow};
use wire::id::CentralId;

use super::Mesh;
use super::event::{Note, Now, Unlinked};
use super::peer::Cloned;
use super::settle::short;
use crate::alarm::{self, LinkNow, Moment};
use crate::clock::{self, Clocks};

impl Mesh {
    /// Two processes of a peer are alive (`links`: which, and where), or two ledgers speak in turns over one mesh.
    pub(super) fn watch_clone(&mut self, now: Now, id: &CentralId, links: Option<String>) {
        let Some(p) = self.peers.get_mut(id) else { return };
        let turns = p.speakers.two(now).map(|(a, b)| format!("ledgers {} and {}", short(a), short(b)));
        let detail = match (links, turns) {
            (Some(links), _) => links,
            (None, Some(turns)) => {
                let at = p.links.first().and_then(|l| self.links.get(l)).map(|l| l.opened.address.as_str());
                format!("{turns} speak in turns through the mesh at {}", at.unwrap_or("no address"))
            }
            (None, None) => {
                if p.cloned.take().is_some() {
                    self.note(Note::CloneOver { peer: Some(id.clone()) });
                }
                return;
            }
        };
        match &mut p.cloned {
            Some(c) => c.detail = detail,
            None => {
                p.cloned = Some(Cloned { since_ms: now.clock_ms, detail: detail.clone() });
                self.note(Note::Clone { peer: Some(id.clone()), detail });
            }
        }
    }

    /// Two ledgers of this central answer its own mesh.
    pub(super) fn watch_own_clone(&mut self, now: Now) {
        let two = self.ledger.speakers.two(now);
        let detail = two.map(|(a, b)| {
            format!(
                "ledgers {} and {} both hold a writer lock and answer on this central's bus",
                short(a),
                short(b)
            )
        });
        match (detail, &mut self.own_clone) {
            (Some(detail), Some(c)) => c.detail = detail,
            (Some(detail), none) => {
                *none = Some(Cloned { since_ms: now.clock_ms, detail: detail.clone() });
                self.note(Note::Clone { peer: None, detail });
            }
            (None, own) => {
                if own.take().is_some() {
                    self.note(Note::CloneOver { peer: None });
                }
            }
        }
    }

    /// When this central's papers end, ms since the epoch, each with its name for people.
    pub fn papers_end(&mut self, papers: Vec<(String, i64)>) {
        self.papers = papers;
    }

    /// Clocks that differ, and peers that are away.
    pub(super) fn watch_conditions(&mut self, now: Now) {
        let clocks = Clocks {
            peers: self
                .peers
                .iter()
                .filter(|(_, p)| p.is_linked())
                .filter_map(|(id, p)| Some((id.to_string(), p.skew.skew_ms()?)))
                .collect(),
        };
        let mut standing = alarm::gone(&self.links_now());
        standing.extend(clock::alarms(&clocks, &self.board));
        // One of a code stands at a time: whichever ends first.
        let first = self.papers.iter().min_by_key(|(_, end)| *end);
        standing.extend(first.and_then(|(whose, end)| alarm::certificate_ends(whose, *end, now.clock_ms)));
        let at =
            Moment { wall_ms: now.clock_ms, steady_ms: i64::try_from(now.us / 1000).unwrap_or(i64::MAX) };
        for change in self.board.update(at, standing) {
            self.note(Note::Alarm(change));
        }
    }

    /// How the links to the configured peers stand.
    pub(super) fn links_now(&self) -> Vec<LinkNow> {
        let configured = self.order.iter().filter_map(|id| self.peers.get(id)).filter(|p| !p.conf.disabled);
        configured
            .map(|p| LinkNow {
                peer: p.conf.id.to_string(),
                linked: p.is_linked(),
                refused: p.unlinked == Unlinked::Refused,
                error: p.last_error.clone(),
            })
            .collect()
    }

    /// The alarms that stand.
    pub fn alarms(&self) -> Vec<AlarmNow> {
        let of = |peer: Option<&CentralId>, c: &Cloned| AlarmNow {
            code: AlarmCode::Clone,
            since: c.since_ms,
            peer: peer.map(ToString::to_string),
            detail: format!("two processes of one central are alive at once: {}", c.detail),
        };
        let own = self.own_clone.iter().map(|c| of(None, c));
        own.chain(self.board.now())
            .chain(self.peers.iter().filter_map(|(id, p)| p.cloned.as_ref().map(|c| of(Some(id), c))))
            .collect()
    }
}
