//! Alarms: what people must look at. Each service keeps those it can know; the status of a central shows all of them.

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Severity {
    /// Look at it in working hours.
    Warning,
    /// Look at it now.
    Critical,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $v:ident = $severity:ident;)*) => {
        /// What is wrong. The names are for ever: alert rules and the runbook are written by them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum AlarmCode {
            $($(#[$doc])* $v,)*
        }

        impl AlarmCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$v,)*];

            /// Its name on the wire and in metrics.
            pub fn name(self) -> String {
                let mut name = String::new();
                for c in format!("{self:?}").chars() {
                    if c.is_uppercase() && !name.is_empty() {
                        name.push('_');
                    }
                    name.extend(c.to_lowercase());
                }
                name
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$v => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    /// Two live processes claim to be one central.
    Clone = Critical;
    /// Two events stand at one position: a machine was copied with its memory.
    Fork = Critical;
    /// A clock is more than 300 ms off.
    ClockSkew = Warning;
    /// A clock is more than 5 s off.
    ClockWrong = Critical;
    /// Maps differ and nothing was applied for too long; the detail names the cause.
    Stalled = Critical;
    /// A peer has been away for too long; the detail names the cause.
    PeerGone = Warning;
    /// Stored bytes or rows are not what was written; the detail names them.
    Damaged = Critical;
    /// This central and a peer hold the same positions and yet differ.
    Diverged = Critical;
    /// A range is known to exist and no configured peer holds it.
    RangeUnavailable = Warning;
    /// The disk budget will be used up.
    DiskBudget = Warning;
    /// Vehicles of the watch list are inside.
    WatchedVehicle = Warning;
    /// Nothing was heard of a lane for 90 s.
    LaneSilent = Warning;
    /// A document of the external API has been without a good answer for too long; the detail names it and the cause.
    ExternalApiStale = Warning;
    /// The certificate of this central, or the operator's authority, ends within 60 days.
    CertificateEnds = Warning;
    /// The same within 7 days, or it has ended.
    CertificateEndsSoon = Critical;
    /// Events that cannot be read are kept and left out of the history.
    Poison = Warning;
}

/// An alarm that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmNow {
    /// What is wrong.
    pub code: AlarmCode,
    /// Since when, ms since the epoch.
    pub since: i64,
    /// The peer it is about, if one.
    #[serde(default)]
    pub peer: Option<String>,
    /// What exactly and why, for people. No plates.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_on_the_wire() {
        for code in AlarmCode::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{}\"", code.name()));
        }
    }
}
