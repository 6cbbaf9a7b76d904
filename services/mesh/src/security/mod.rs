//! Who may talk to whom: mutual TLS 1.3 under the operator's own CA; plain text on loopback only, and loudly.

mod identity;
mod paper;
mod verifier;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use kit::{BadSetting, MeshTlsFiles, Secret, Settings};
use wire::config::P2pConfig;
use wire::hash::Hash32;
use wire::id::CentralId;

pub(crate) use identity::Identity;
pub(crate) use paper::Paper;

/// How links of this process are protected.
#[derive(Debug, Clone)]
pub(crate) enum Protection {
    /// No certificate and no plain text: no link at all (standalone mode).
    Off,
    /// Plain text, loopback only.
    Plain,
    /// Mutual TLS.
    Tls(Arc<Identity>),
}

/// The protection in force. Certificates are read again when their files change; links that stand are not touched.
#[derive(Debug)]
pub(crate) struct Security {
    me: CentralId,
    files: Option<MeshTlsFiles>,
    operator_key: Option<PathBuf>,
    now: RwLock<Protection>,
}

impl Security {
    /// Reads settings and certificates. Errors: one line naming the setting.
    pub(crate) fn of(settings: &Settings, config: &P2pConfig) -> Result<Self, BadSetting> {
        let me = config.this_central.id.clone();
        let now = match &settings.mesh_tls {
            Some(files) => Protection::Tls(Arc::new(Identity::read(files, &me)?)),
            None if settings.mesh_insecure => Protection::Plain,
            None if config.peer_centrals.is_empty() => Protection::Off,
            None => {
                let reason = "is missing: peers are configured, and links need the operator's CA, a certificate and a key \
                              (MESH_INSECURE=1 is for loopback only)";
                return Err(BadSetting {
                    key: "MESH_TLS_CA_FILE".into(),
                    value: String::new(),
                    reason: reason.into(),
                });
            }
        };
        if matches!(now, Protection::Plain) {
            tracing::warn!(
                "MESH_INSECURE=1: LINKS ARE PLAIN TEXT AND ANYONE ON THIS MACHINE CAN POSE AS A PEER. For the loopback lab only; \
                 peers elsewhere are refused."
            );
        }
        Ok(Self {
            me,
            files: settings.mesh_tls.clone(),
            operator_key: settings.plate_key_file.clone(),
            now: RwLock::new(now),
        })
    }

    /// The protection of the next link.
    pub(crate) fn now(&self) -> Protection {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The operator's key: what vouches for bundles where there are no certificates. Errors: why there is none.
    pub(crate) fn operator_key(&self) -> Result<Secret, String> {
        let Some(file) = &self.operator_key else {
            return Err("PLATE_KEY_FILE is not set for mesh".to_owned());
        };
        let text = std::fs::read_to_string(file)
            .map_err(|e| format!("PLATE_KEY_FILE={} cannot be read: {e}", file.display()))?;
        match text.trim() {
            "" => Err(format!("PLATE_KEY_FILE={} is empty", file.display())),
            key => Ok(Secret::new(key)),
        }
    }

    /// Reads the files again if they changed. True when another certificate is in force now. Errors: the reason, once per
    /// content of the files; the last good certificate stays.
    pub(crate) fn reread(&self, refused: &mut Option<Hash32>) -> Result<bool, BadSetting> {
        let (Some(files), Protection::Tls(old)) = (&self.files, self.now()) else { return Ok(false) };
        let content = Identity::fingerprint(files)?;
        if content == old.content || *refused == Some(content) {
            return Ok(false);
        }
        match Identity::read(files, &self.me) {
            Ok(new) => {
                *self.now.write().unwrap_or_else(PoisonError::into_inner) = Protection::Tls(Arc::new(new));
                *refused = None;
                Ok(true)
            }
            Err(e) => {
                *refused = Some(content);
                Err(e)
            }
        }
    }

    /// When this central's papers end, ms: name in metrics, name for people, end.
    pub(crate) fn papers(&self) -> Vec<(&'static str, String, i64)> {
        let Protection::Tls(identity) = self.now() else { return Vec::new() };
        vec![
            ("own", format!("the mesh certificate of {}", self.me), identity.not_after_ms),
            ("ca", "the operator's authority (MESH_TLS_CA_FILE)".to_owned(), identity.ca_not_after_ms),
        ]
    }
}
