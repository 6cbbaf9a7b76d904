//! Why somebody was not let in, in one word: what refusals are counted by.

/// Every word.
pub const KINDS: [&str; 12] = [
    "denied",
    "expired",
    "not_yet_valid",
    "foreign",
    "no_certificate",
    "names_nobody",
    "wrong_id",
    "not_configured",
    "disabled",
    "protocol",
    "they_refuse",
    "other",
];

/// The word for a reason, as this side's checks, TLS, or the peer said it.
pub fn kind(reason: &str) -> &'static str {
    let text = reason.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if says(&["refuses our certificate", "the peer refuses us", "the peer ended the link"]) {
        "they_refuse"
    } else if says(&["deny list"]) {
        "denied"
    } else if says(&["not valid yet", "notvalidyet"]) {
        "not_yet_valid"
    } else if says(&["expired"]) {
        "expired"
    } else if says(&["unknownissuer", "badsignature"]) {
        "foreign"
    } else if says(&["no certificate", "no certificates"]) {
        "no_certificate"
    } else if says(&["names no central", "names more than one", "certificate's central id"]) {
        "names_nobody"
    } else if says(&["but the certificate names", "answers", "own id"]) {
        "wrong_id"
    } else if says(&["not a configured peer"]) {
        "not_configured"
    } else if says(&["is disabled here"]) {
        "disabled"
    } else if says(&["no common protocol", "peerincompatible", "peer is incompatible"]) {
        "protocol"
    } else {
        "other"
    }
}

#[cfg(test)]
mod tests {
    use wire::id::CentralId;

    use super::*;
    use crate::link::Refusal;

    #[test]
    fn every_refusal_of_a_hello_has_its_word() {
        let id = |s: &str| CentralId::new(s).unwrap();
        for (refusal, want) in [
            (Refusal::NotCertified { said: id("c2"), certified: id("c3") }, "wrong_id"),
            (Refusal::NotDialled { dialled: id("c2"), said: id("c3") }, "wrong_id"),
            (Refusal::OwnId(id("c1")), "wrong_id"),
            (Refusal::NotConfigured(id("c9")), "not_configured"),
            (Refusal::Disabled(id("c4")), "disabled"),
            (Refusal::Protocol { said_min: 2, said_max: 9 }, "protocol"),
        ] {
            assert_eq!(kind(&format!("hello: {refusal}")), want);
            assert!(KINDS.contains(&want));
        }
    }

    #[test]
    fn certificates_have_theirs() {
        for (text, want) in [
            ("tls: invalid peer certificate: UnknownIssuer", "foreign"),
            ("tls: invalid peer certificate: BadSignature", "foreign"),
            ("tls: invalid peer certificate: Expired", "expired"),
            (
                "tls: invalid peer certificate: certificate expired: verification time 17 (UNIX), but",
                "expired",
            ),
            (
                "tls: invalid peer certificate: certificate not valid yet: verification time 1",
                "not_yet_valid",
            ),
            ("tls: peer sent no certificates", "no_certificate"),
            ("tls: certificate names no central (parkmesh://central/<id>)", "names_nobody"),
            ("tls: the certificate of central-3 stands on the deny list", "denied"),
            ("tls: dialled central-2, but the certificate names central-3", "wrong_id"),
            ("tls: the peer refuses our certificate or protocol: CertificateExpired", "they_refuse"),
            ("tcp: plain-text links come from loopback only", "other"),
        ] {
            assert_eq!(kind(text), want, "{text}");
            assert!(KINDS.contains(&want));
        }
    }
}
