//! Why nothing moves, in one word. People and alert rules go by it; the text beside it says the rest.

use std::fmt;

use wire::bus::reason;

/// A cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Certificate or identity: somebody is not let in.
    Auth,
    /// A certificate is not valid at this time: it has run out, or a clock is wrong.
    Clock,
    /// No protocol in common.
    Version,
    /// The database has no room or takes no writes.
    Disk,
    /// A queue is full: more comes in than is worked off.
    Queue,
    /// The database or the ledger is away.
    Ledger,
    /// A peer does not answer, or answers nothing.
    NoAnswer,
    /// The peer is out of reach.
    PeerGone,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 8] = [
        Self::Auth,
        Self::Clock,
        Self::Version,
        Self::Disk,
        Self::Queue,
        Self::Ledger,
        Self::NoAnswer,
        Self::PeerGone,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Clock => "clock",
            Self::Version => "version",
            Self::Disk => "disk",
            Self::Queue => "queue",
            Self::Ledger => "ledger",
            Self::NoAnswer => "no_answer",
            Self::PeerGone => "peer_gone",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why there is no link, from what was said last: by this side's checks, by TLS, or by the peer when it ended the link.
/// `refused`: somebody said no.
pub fn of_link(refused: bool, text: &str) -> Cause {
    let text = text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if says(&["no common protocol", "peerincompatible", "protocolversion"]) {
        Cause::Version
    } else if says(&["expired", "not valid yet", "notvalidyet"]) {
        Cause::Clock
    } else if refused
        || says(&[
            "certificate",
            "not a configured peer",
            "is disabled here",
            "own id",
            "answers, but",
            "but the certificate",
        ])
    {
        Cause::Auth
    } else {
        Cause::PeerGone
    }
}

/// Why the ledger does not take events, from its own words.
pub fn of_store(text: &str) -> Cause {
    if text.contains(reason::DISK_FULL) || text.contains(reason::READ_ONLY) {
        Cause::Disk
    } else if text.contains(reason::TOO_MUCH) || text.contains(reason::PAGES_WAIT) {
        Cause::Queue
    } else {
        Cause::Ledger
    }
}

#[cfg(test)]
mod tests {
    use wire::id::CentralId;

    use super::*;
    use crate::link::Refusal;

    fn id(s: &str) -> CentralId {
        CentralId::new(s).unwrap()
    }

    #[test]
    fn refusals_have_their_cause_whoever_says_them() {
        let refusals = [
            (Refusal::NotCertified { said: id("c2"), certified: id("c3") }, Cause::Auth),
            (Refusal::NotDialled { dialled: id("c2"), said: id("c3") }, Cause::Auth),
            (Refusal::OwnId(id("c1")), Cause::Auth),
            (Refusal::NotConfigured(id("c9")), Cause::Auth),
            (Refusal::Disabled(id("c4")), Cause::Auth),
            (Refusal::Protocol { said_min: 2, said_max: 9 }, Cause::Version),
        ];
        for (r, cause) in refusals {
            assert_eq!(of_link(true, &format!("hello: {r}")), cause, "{r}");
            let said = matches!(r, Refusal::NotDialled { .. });
            // What the peer says reaches us as its last words; nobody on this side refused then.
            assert!(said || of_link(false, &format!("the peer ended the link: {r}")) == cause, "{r}");
        }
    }

    #[test]
    fn certificates_and_silence() {
        let cases = [
            (true, "tls: invalid peer certificate: Expired", Cause::Clock),
            (
                true,
                "tls: invalid peer certificate: certificate not valid yet: verification time 1",
                Cause::Clock,
            ),
            (true, "tls: the peer refuses our certificate or protocol: CertificateExpired", Cause::Clock),
            (true, "tls: invalid peer certificate: UnknownIssuer", Cause::Auth),
            (true, "tls: the peer refuses our certificate or protocol: ProtocolVersion", Cause::Version),
            (false, "tcp: Connection refused (os error 111)", Cause::PeerGone),
            (false, "hello: no answer within 5 s", Cause::PeerGone),
            (false, "three heartbeats in a row were not answered", Cause::PeerGone),
        ];
        for (refused, text, cause) in cases {
            assert_eq!(of_link(refused, text), cause, "{text}");
        }
    }

    #[test]
    fn the_ledgers_words_have_their_cause() {
        for (text, cause) in [
            (reason::DISK_FULL, Cause::Disk),
            (reason::READ_ONLY, Cause::Disk),
            (reason::TOO_MUCH, Cause::Queue),
            (reason::PAGES_WAIT, Cause::Queue),
            (reason::SLOW, Cause::Ledger),
            (reason::LOST, Cause::Ledger),
        ] {
            assert_eq!(of_store(&format!("the ledger does not take events: {text}")), cause);
        }
    }
}
