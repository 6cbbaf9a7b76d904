//! The first words of a link: may this peer come in?

use wire::id::CentralId;
use wire::mesh::{Hello, PROTOCOL_MAX, PROTOCOL_MIN};

/// What is known about the other end before it speaks.
#[derive(Debug, Clone)]
pub struct Expected {
    /// This central.
    pub me: CentralId,
    /// The central its certificate names; none in plain-text mode.
    pub certified: Option<CentralId>,
    /// The peer this side dialled; none when the other side dialled.
    pub dialled: Option<CentralId>,
}

/// Why a link is refused. The text goes to the other side too: it names ids and versions, nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its certificate names another central than its HELLO.
    #[error("HELLO says {said}, but the certificate names {certified}")]
    NotCertified {
        /// In HELLO.
        said: CentralId,
        /// In the certificate.
        certified: CentralId,
    },
    /// Another central answered than the one dialled.
    #[error("dialled {dialled}, but {said} answers")]
    NotDialled {
        /// The one wanted.
        dialled: CentralId,
        /// The one that answers.
        said: CentralId,
    },
    /// It says it is this central.
    #[error("{0} is this central's own id")]
    OwnId(CentralId),
    /// Not in the configuration.
    #[error("{0} is not a configured peer")]
    NotConfigured(CentralId),
    /// Switched off in the configuration.
    #[error("{0} is disabled here")]
    Disabled(CentralId),
    /// No protocol in common.
    #[error("no common protocol: {said_min} to {said_max} there, {PROTOCOL_MIN} to {PROTOCOL_MAX} here")]
    Protocol {
        /// Oldest the peer speaks.
        said_min: u16,
        /// Newest the peer speaks.
        said_max: u16,
    },
}

/// Checks a HELLO. `configured`: none = not a peer, `Some(true)` = a peer, `Some(false)` = a peer that is disabled. Returns the
/// protocol to speak.
pub fn check_hello(
    hello: &Hello,
    expected: &Expected,
    configured: impl Fn(&CentralId) -> Option<bool>,
) -> Result<u16, Refusal> {
    let said = &hello.central;
    if let Some(certified) = expected.certified.as_ref().filter(|c| *c != said) {
        return Err(Refusal::NotCertified { said: said.clone(), certified: certified.clone() });
    }
    if *said == expected.me {
        return Err(Refusal::OwnId(said.clone()));
    }
    if let Some(dialled) = expected.dialled.as_ref().filter(|d| *d != said) {
        return Err(Refusal::NotDialled { dialled: dialled.clone(), said: said.clone() });
    }
    match configured(said) {
        None => return Err(Refusal::NotConfigured(said.clone())),
        Some(false) => return Err(Refusal::Disabled(said.clone())),
        Some(true) => {}
    }
    let protocol = hello.protocol_max.min(PROTOCOL_MAX);
    if protocol < hello.protocol_min.max(PROTOCOL_MIN) {
        return Err(Refusal::Protocol { said_min: hello.protocol_min, said_max: hello.protocol_max });
    }
    Ok(protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(s: &str) -> CentralId {
        CentralId::new(s).unwrap()
    }

    fn hello(central: &str, min: u16, max: u16) -> Hello {
        Hello {
            protocol_min: min,
            protocol_max: max,
            central: id(central),
            ledger_process: String::new(),
            mesh_process: String::new(),
            holding_of_you: Vec::new(),
            positions_digest: Default::default(),
            clock: 0,
            wire_version: 1,
            projection_version: 1,
        }
    }

    fn check(h: &Hello, certified: Option<&str>, dialled: Option<&str>) -> Result<u16, String> {
        let e = Expected { me: id("central-1"), certified: certified.map(id), dialled: dialled.map(id) };
        let known = |c: &CentralId| match c.as_str() {
            "central-2" | "central-3" => Some(true),
            "central-4" => Some(false),
            _ => None,
        };
        check_hello(h, &e, known).map_err(|r| r.to_string())
    }

    #[test]
    fn who_comes_in() {
        let ok = hello("central-2", 1, 1);
        assert_eq!(check(&ok, Some("central-2"), Some("central-2")), Ok(1));
        assert_eq!(check(&ok, Some("central-2"), None), Ok(1));
        assert_eq!(check(&ok, None, None), Ok(1));
        let refused: [(Hello, Option<&str>, Option<&str>, &str); 7] = [
            (
                hello("central-2", 1, 1),
                Some("central-3"),
                None,
                "HELLO says central-2, but the certificate names central-3",
            ),
            (
                hello("central-3", 1, 1),
                Some("central-3"),
                Some("central-2"),
                "dialled central-2, but central-3 answers",
            ),
            (hello("central-1", 1, 1), Some("central-1"), None, "central-1 is this central's own id"),
            (hello("central-9", 1, 1), Some("central-9"), None, "central-9 is not a configured peer"),
            (hello("central-4", 1, 1), Some("central-4"), None, "central-4 is disabled here"),
            (hello("central-2", 3, 9), None, None, "no common protocol: 3 to 9 there, 1 to 2 here"),
            (hello("central-2", 0, 0), None, None, "no common protocol: 0 to 0 there, 1 to 2 here"),
        ];
        for (h, certified, dialled, reason) in refused {
            assert_eq!(check(&h, certified, dialled), Err(reason.to_owned()));
        }
    }

    #[test]
    fn a_newer_peer_that_still_speaks_ours_comes_in() {
        assert_eq!(check(&hello("central-2", 1, 7), None, None), Ok(2));
        assert_eq!(check(&hello("central-2", 1, 1), None, None), Ok(1));
    }
}
