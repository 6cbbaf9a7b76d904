//! Catch-up that does not move, and peers that are away.

use wire::alarm::AlarmCode;

use super::board::Standing;
use super::cause::{Cause, of_link, of_store};
use crate::catchup::Cause as Stuck;

/// A peer away for so long is an alarm, ms.
pub const GONE_MS: i64 = 300_000;
/// Events that only a peer without a link holds are an alarm after this, ms.
const ONLY_THERE_MS: i64 = 60_000;

/// How the link to a configured peer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkNow {
    /// The peer.
    pub peer: String,
    /// There is one.
    pub linked: bool,
    /// Somebody said no.
    pub refused: bool,
    /// What went wrong last.
    pub error: Option<String>,
}

impl LinkNow {
    fn why(&self) -> (Cause, &str) {
        let text = self.error.as_deref().unwrap_or("never reached");
        (of_link(self.refused, text), text)
    }
}

/// The alarms of peers that are away.
pub fn gone(links: &[LinkNow]) -> Vec<Standing> {
    links
        .iter()
        .filter(|l| !l.linked)
        .map(|l| {
            let (cause, text) = l.why();
            Standing {
                code: AlarmCode::PeerGone,
                peer: Some(l.peer.clone()),
                detail: format!("{cause}: {text}"),
                after_ms: GONE_MS,
            }
        })
        .collect()
}

/// The alarms of a catch-up that does not move. `stuck`: why, while something a linked peer holds is missing here and nothing
/// comes; `only_there`: peers without a link, and how many events that are missing here they are known to hold.
pub fn stalled(stuck: Option<&Stuck>, only_there: &[(String, u64)], links: &[LinkNow]) -> Vec<Standing> {
    let mut out = Vec::new();
    if let Some(stuck) = stuck {
        let (cause, peer) = match stuck {
            Stuck::Unread => (Cause::Ledger, None),
            Stuck::Store(why) => (of_store(why), None),
            Stuck::NoAnswer(p) | Stuck::Empty(p) | Stuck::NothingNew(p) => (Cause::NoAnswer, Some(p)),
            Stuck::Waiting => (Cause::NoAnswer, None),
        };
        out.push(Standing {
            code: AlarmCode::Stalled,
            peer: peer.map(ToString::to_string),
            detail: format!("{cause}: {stuck}"),
            after_ms: 0,
        });
    }
    for (peer, events) in only_there.iter().filter(|(_, n)| *n > 0) {
        let link = links.iter().find(|l| l.peer == *peer);
        let (cause, text) = link.map_or((Cause::PeerGone, "no link"), LinkNow::why);
        out.push(Standing {
            code: AlarmCode::Stalled,
            peer: Some(peer.clone()),
            detail: format!("{cause}: {events} events that are missing here are held by {peer}: {text}"),
            after_ms: ONLY_THERE_MS,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use wire::bus::reason;

    use super::*;

    fn link(peer: &str, refused: bool, error: &str) -> LinkNow {
        LinkNow { peer: peer.to_owned(), linked: false, refused, error: Some(error.to_owned()) }
    }

    #[test]
    fn every_stall_has_its_cause() {
        let c2 = || wire::id::CentralId::new("c2").unwrap();
        let cases = [
            (Stuck::Unread, "ledger: "),
            (Stuck::Store(reason::DISK_FULL.to_owned()), "disk: "),
            (Stuck::Store(reason::READ_ONLY.to_owned()), "disk: "),
            (Stuck::Store(reason::TOO_MUCH.to_owned()), "queue: "),
            (Stuck::Store(reason::LOST.to_owned()), "ledger: "),
            (Stuck::NoAnswer(c2()), "no_answer: c2"),
            (Stuck::Empty(c2()), "no_answer: c2"),
            (Stuck::NothingNew(c2()), "no_answer: "),
            (Stuck::Waiting, "no_answer: "),
        ];
        for (stuck, begins) in cases {
            let a = stalled(Some(&stuck), &[], &[]);
            assert!(a.len() == 1 && a[0].detail.starts_with(begins), "{a:?}");
        }
        assert_eq!(stalled(None, &[], &[]), []);
    }

    #[test]
    fn what_only_a_peer_without_a_link_holds_has_the_links_cause() {
        let links = [
            link("c2", true, "tls: invalid peer certificate: UnknownIssuer"),
            link("c3", true, "hello: no common protocol: 2 to 9 there, 1 to 1 here"),
            link("c4", false, "tcp: Connection refused (os error 111)"),
            link("c5", true, "tls: invalid peer certificate: Expired"),
        ];
        let there: Vec<(String, u64)> = links.iter().map(|l| (l.peer.clone(), 7)).collect();
        let causes: Vec<String> = stalled(None, &there, &links)
            .into_iter()
            .map(|a| a.detail.split(':').next().unwrap().to_owned())
            .collect();
        assert_eq!(causes, ["auth", "version", "peer_gone", "clock"]);
        assert_eq!(stalled(None, &[("c2".to_owned(), 0)], &links), []);
    }

    #[test]
    fn a_linked_peer_is_not_gone() {
        let mut l = link("c2", false, "tcp: x");
        assert_eq!(gone(std::slice::from_ref(&l))[0].after_ms, GONE_MS);
        l.linked = true;
        assert_eq!(gone(&[l]), []);
    }
}
