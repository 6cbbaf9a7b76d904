//! What a lab is started with.

use std::path::PathBuf;
use std::time::Duration;

use crate::settings::random_hex;
use crate::topology::Ports;

/// How many centrals a person gets who names no number.
pub const DEFAULT_CENTRALS: u16 = 10;

/// Which ports a lab uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortChoice {
    /// From this base on.
    Base(u16),
    /// The base of the kept lab, else [`Ports::DEFAULT_BASE`].
    Usual,
    /// Any free stretch; for tests that run beside each other.
    Free,
}

/// What a lab is started with.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// The lab's folder.
    pub lab_dir: PathBuf,
    /// How many centrals; `None` takes the kept lab's number, else [`DEFAULT_CENTRALS`].
    pub centrals: Option<u16>,
    /// Which ports.
    pub ports: PortChoice,
    /// Plain-text links instead of mutual TLS.
    pub insecure: bool,
    /// Where the four programs are; `None` is `LAB_BIN_DIR`, else beside the running program.
    pub bin_dir: Option<PathBuf>,
    /// Start Postgres, NATS and the links only, for work on one service.
    pub only_infrastructure: bool,
    /// Receiver of traces and metrics (`OTEL_EXPORTER_OTLP_ENDPOINT`).
    pub otlp: Option<String>,
    /// More environment for the four programs; wins over everything else.
    pub environment: Vec<(String, String)>,
    /// How long one step of starting may take (readiness of a process, the full mesh).
    pub patience: Duration,
}

impl LabOptions {
    /// A lab in this folder with the usual settings.
    pub fn new(lab_dir: impl Into<PathBuf>) -> Self {
        Self {
            lab_dir: lab_dir.into(),
            centrals: None,
            ports: PortChoice::Usual,
            insecure: false,
            bin_dir: None,
            only_infrastructure: false,
            otlp: None,
            environment: Vec::new(),
            patience: Duration::from_secs(60),
        }
    }

    /// A lab of its own for one test: a fresh folder under the temporary directory, any free ports.
    pub fn for_test(name: &str, centrals: u16) -> Self {
        let folder = format!("parkmesh-lab-tests/{name}-{}", random_hex(4));
        Self {
            centrals: Some(centrals),
            ports: PortChoice::Free,
            ..Self::new(std::env::temp_dir().join(folder))
        }
    }

    /// The folder of the four programs.
    ///
    /// # Errors
    /// When one of them is not built.
    pub fn programs(&self) -> anyhow::Result<PathBuf> {
        crate::prepare::find_bin_dir(self)
    }

    /// The bases tried for [`PortChoice::Free`].
    pub(crate) fn free_bases() -> impl Iterator<Item = u16> {
        (14_000..=Ports::MAX_BASE).step_by(400)
    }
}
