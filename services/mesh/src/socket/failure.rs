//! Why a connection did not come about, and at which stage.

use std::fmt;

use tokio_tungstenite::tungstenite;
use wire::http::TestStage;

/// A failed connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {error}", stage_name(*stage))]
pub(crate) struct Failure {
    /// Where it ended.
    pub(crate) stage: TestStage,
    /// True when somebody said no (certificate, id, protocol): trying again soon is no use.
    pub(crate) refused: bool,
    /// For people.
    pub(crate) error: String,
}

fn stage_name(stage: TestStage) -> &'static str {
    match stage {
        TestStage::Resolve => "resolve",
        TestStage::Tcp => "tcp",
        TestStage::Tls => "tls",
        TestStage::Websocket => "websocket",
        TestStage::Hello => "hello",
        TestStage::Done => "done",
    }
}

impl Failure {
    /// Something did not work.
    pub(crate) fn at(stage: TestStage, error: impl fmt::Display) -> Self {
        Self { stage, refused: false, error: error.to_string() }
    }

    /// Somebody said no.
    pub(crate) fn refused(stage: TestStage, error: impl fmt::Display) -> Self {
        Self { stage, refused: true, error: error.to_string() }
    }

    /// No answer in time.
    pub(crate) fn late(stage: TestStage) -> Self {
        Self::at(stage, format!("no answer within {} s", super::STAGE_LIMIT.as_secs()))
    }

    /// An I/O error. In TLS 1.3 the other side judges our certificate after our half of the handshake, so its "no" may arrive at
    /// a later stage; it belongs to TLS all the same.
    pub(crate) fn io(stage: TestStage, e: &std::io::Error) -> Self {
        use rustls::Error as Tls;
        match e.get_ref().and_then(|inner| inner.downcast_ref::<Tls>()) {
            Some(Tls::AlertReceived(alert)) => Self::refused(
                TestStage::Tls,
                format!("the peer refuses our certificate or protocol: {alert:?}"),
            ),
            Some(
                e @ (Tls::InvalidCertificate(_) | Tls::NoCertificatesPresented | Tls::PeerIncompatible(_)),
            ) => Self::refused(TestStage::Tls, e),
            Some(e) => Self::at(TestStage::Tls, e),
            None => Self::at(stage, e),
        }
    }

    /// A WebSocket error.
    pub(crate) fn ws(stage: TestStage, e: &tungstenite::Error) -> Self {
        match e {
            tungstenite::Error::Io(e) => Self::io(stage, e),
            e => Self::at(stage, e),
        }
    }
}
