//! The configuration file (`P2P_CONFIG_FILE`): the known form, strict. Unknown keys are errors; every error names its field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{CentralId, EdgeId};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct P2pConfig {
    /// This central.
    pub this_central: ThisCentral,
    /// The others; empty is standalone mode.
    pub peer_centrals: Vec<PeerCentral>,
}

/// This central.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThisCentral {
    /// Its name, unique in the mesh; cannot change while it runs.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: CentralId,
    /// The address peers dial (shown in the status; the service listens on `LISTEN_HOST`).
    pub ip: String,
    /// The mesh port (`P2P_PORT` beats it).
    pub p2p_port: u16,
    /// The gateway's port.
    pub api_port: u16,
    /// The lanes.
    #[serde(default)]
    pub edges: Vec<EdgeConfig>,
    /// Car parks with a capacity, or closed. A lane's `lot_id` may name others, too: those are never full.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<LotConfig>,
    /// IANA time zone of the Place: output offsets and fee windows.
    #[serde(default = "default_time_zone")]
    pub time_zone: String,
}

fn default_time_zone() -> String {
    "Asia/Ho_Chi_Minh".to_owned()
}

/// What a lane is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LaneType {
    /// In only.
    EntryOnly,
    /// Out only.
    ExitOnly,
    /// Both; each request says which.
    Reversible,
    /// Staff and service vehicles; each request says which.
    Service,
}

/// How a passage is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Confirmation {
    /// By the safety loop: the lane calls `close`.
    #[default]
    Loop,
    /// No loop: confirmed when the time-out ends.
    Assumed,
}

/// What the lane's barrier does when nothing can be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum OnNoLedger {
    /// Open (the default of an entry).
    Open,
    /// Ask staff (the default of an exit).
    AskStaff,
    /// Keep closed.
    Deny,
}

/// One lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EdgeConfig {
    /// The edge's name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: EdgeId,
    /// What the lane is for.
    #[serde(rename = "type")]
    pub lane_type: LaneType,
    /// Classes that may use it; the first is the default.
    #[serde(default = "default_classes")]
    pub vehicle_classes: Vec<String>,
    /// The car park it belongs to.
    #[serde(default)]
    pub lot_id: Option<String>,
    /// Camera ids of webhooks that belong to this lane.
    #[serde(default)]
    pub cameras: Vec<String>,
    /// How a passage is confirmed.
    #[serde(default)]
    pub confirmation: Confirmation,
    /// What its barrier does when nothing can be recorded; default by direction.
    #[serde(default)]
    pub on_no_ledger: Option<OnNoLedger>,
    /// Hex SHA-256 of the edge's API key; never shown by GET.
    #[serde(default)]
    pub key_sha256: Option<String>,
}

/// A car park.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LotConfig {
    /// Its `lot_id`.
    pub id: String,
    /// Places per class, all centrals that serve it together; a class that is not named is never full.
    #[serde(default)]
    pub capacity: BTreeMap<String, u32>,
    /// Classes it does not take now.
    #[serde(default)]
    pub closed: Vec<String>,
}

fn default_classes() -> Vec<String> {
    vec!["car".to_owned()]
}

/// Vehicle classes on the wire.
pub const VEHICLE_CLASSES: [&str; 8] =
    ["bicycle", "motorbike", "electric_motorbike", "car", "car10to16", "truck", "bus", "exempt"];

/// One peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PeerCentral {
    /// Its name; its certificate must say the same.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: CentralId,
    /// Host name or address to dial.
    pub ip: String,
    /// Its mesh port.
    pub p2p_port: u16,
    /// The kill switch of one peer: no link either way.
    #[serde(default)]
    pub disabled: bool,
}

/// One thing wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {reason}")]
pub struct ConfigFault {
    /// JSON pointer of the field (`/peer_centrals/0/p2p_port`).
    pub pointer: String,
    /// What is wrong, with the value where it is no secret.
    pub reason: String,
}

impl P2pConfig {
    /// Reads and checks the file's text. Errors: every fault found, at least one.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<ConfigFault>> {
        let mut de = serde_json::Deserializer::from_slice(text);
        let config: Self = serde_path_to_error::deserialize(&mut de).map_err(|e| {
            let path = e.path().to_string();
            let pointer = if path == "." {
                String::new()
            } else {
                format!("/{}", path.replace(['.', '['], "/").replace(']', "").replace("//", "/"))
            };
            vec![ConfigFault { pointer, reason: e.into_inner().to_string() }]
        })?;
        de.end().map_err(|e| vec![ConfigFault { pointer: String::new(), reason: e.to_string() }])?;
        config.check()?;
        Ok(config)
    }

    /// Checks what types alone cannot.
    pub fn check(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults = Vec::new();
        let mut fault = |pointer: String, reason: String| faults.push(ConfigFault { pointer, reason });
        let me = &self.this_central;
        if me.p2p_port == 0 {
            fault("/this_central/p2p_port".into(), "must be 1 to 65535, is 0".into());
        }
        if me.api_port == 0 {
            fault("/this_central/api_port".into(), "must be 1 to 65535, is 0".into());
        }
        if jiff::tz::TimeZone::get(&me.time_zone).is_err() {
            fault(
                "/this_central/time_zone".into(),
                format!("is no known IANA time zone: {:?}", me.time_zone),
            );
        }
        let mut edges = std::collections::HashSet::new();
        let mut cameras = std::collections::HashSet::new();
        for (i, e) in me.edges.iter().enumerate() {
            let at = |f: &str| format!("/this_central/edges/{i}/{f}");
            if !edges.insert(&e.id) {
                fault(at("id"), format!("stands twice: {}", e.id));
            }
            if e.vehicle_classes.is_empty() {
                fault(at("vehicle_classes"), "must name at least one class".into());
            }
            for (j, c) in e.vehicle_classes.iter().enumerate() {
                if !VEHICLE_CLASSES.contains(&c.as_str()) {
                    fault(
                        at(&format!("vehicle_classes/{j}")),
                        format!("is no vehicle class: {c:?} (one of {})", VEHICLE_CLASSES.join(" ")),
                    );
                }
            }
            for (j, c) in e.cameras.iter().enumerate() {
                if !cameras.insert(c) {
                    fault(at(&format!("cameras/{j}")), format!("belongs to two lanes: {c:?}"));
                }
            }
            if e.key_sha256.as_ref().is_some_and(|k| k.parse::<crate::hash::Hash32>().is_err()) {
                fault(at("key_sha256"), "must be 64 hexadecimal characters".into());
            }
        }
        let mut lots = std::collections::HashSet::new();
        for (i, lot) in me.lots.iter().enumerate() {
            let at = |f: &str| format!("/this_central/lots/{i}/{f}");
            if lot.id.is_empty() || lot.id.len() > 64 {
                fault(at("id"), "must have 1 to 64 characters".into());
            }
            if !lots.insert(&lot.id) {
                fault(at("id"), format!("stands twice: {}", lot.id));
            }
            let capacity = lot.capacity.keys().map(|c| (format!("capacity/{c}"), c));
            let closed = lot.closed.iter().enumerate().map(|(j, c)| (format!("closed/{j}"), c));
            for (field, class) in capacity.chain(closed) {
                if !VEHICLE_CLASSES.contains(&class.as_str()) {
                    fault(
                        at(&field),
                        format!("is no vehicle class: {class:?} (one of {})", VEHICLE_CLASSES.join(" ")),
                    );
                }
            }
        }
        let mut peers = std::collections::HashSet::new();
        for (i, p) in self.peer_centrals.iter().enumerate() {
            let at = |f: &str| format!("/peer_centrals/{i}/{f}");
            if p.id == me.id {
                fault(at("id"), format!("is this central itself: {}", p.id));
            }
            if !peers.insert(&p.id) {
                fault(at("id"), format!("stands twice: {}", p.id));
            }
            if p.p2p_port == 0 {
                fault(at("p2p_port"), "must be 1 to 65535, is 0".into());
            }
            if p.ip.is_empty() || p.ip.len() > 253 || p.ip.contains(|c: char| c.is_whitespace() || c == '/') {
                fault(at("ip"), format!("must be a host name or an address, is {:?}", p.ip));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The same without secrets, as GET shows it.
    pub fn redacted(&self) -> Self {
        let mut c = self.clone();
        for e in &mut c.this_central.edges {
            e.key_sha256 = None;
        }
        c
    }

    /// Puts back the key hashes a redacted copy lost, by edge id.
    pub fn keep_secrets_of(mut self, old: &Self) -> Self {
        for e in &mut self.this_central.edges {
            if e.key_sha256.is_none() {
                e.key_sha256 =
                    old.this_central.edges.iter().find(|o| o.id == e.id).and_then(|o| o.key_sha256.clone());
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(edit: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
        let mut v = serde_json::json!({
            "this_central": {"id": "central-1", "ip": "192.168.1.101", "p2p_port": 9000, "api_port": 8000,
                "edges": [{"id": "edge-1", "type": "entry_only", "vehicle_classes": ["car"], "lot_id": "P01",
                           "cameras": ["cam-1"], "confirmation": "loop", "on_no_ledger": "open"}]},
            "peer_centrals": [{"id": "central-2", "ip": "192.168.1.102", "p2p_port": 9000}]});
        edit(&mut v);
        v.to_string().into_bytes()
    }

    #[test]
    fn the_known_form_is_read() {
        let c = P2pConfig::parse(&text(|_| ())).unwrap();
        assert_eq!(c.this_central.time_zone, "Asia/Ho_Chi_Minh");
        assert_eq!(c.peer_centrals[0].id.as_str(), "central-2");
    }

    #[test]
    fn every_fault_names_its_field() {
        type Edit<'a> = &'a dyn Fn(&mut serde_json::Value);
        let cases: [(Edit<'_>, &str); 9] = [
            (&|v| v["peer_centrals"][0]["p2p_port"] = 70000.into(), "/peer_centrals/0/p2p_port"),
            (&|v| v["peer_centrals"][0]["id"] = "central-1".into(), "/peer_centrals/0/id"),
            (&|v| v["this_central"]["edges"][0]["type"] = "sideways".into(), "/this_central/edges/0/type"),
            (
                &|v| v["this_central"]["edges"][0]["vehicle_classes"][0] = "plane".into(),
                "/this_central/edges/0/vehicle_classes/0",
            ),
            (&|v| v["this_central"]["time_zone"] = "Mars/Base".into(), "/this_central/time_zone"),
            (&|v| v["this_central"]["colour"] = "red".into(), "/this_central/colour"),
            (
                &|v| v["this_central"]["lots"] = serde_json::json!([{"id": "P01", "capacity": {"plane": 3}}]),
                "/this_central/lots/0/capacity/plane",
            ),
            (
                &|v| v["this_central"]["lots"] = serde_json::json!([{"id": "P01", "closed": ["ship"]}]),
                "/this_central/lots/0/closed/0",
            ),
            (
                &|v| v["this_central"]["lots"] = serde_json::json!([{"id": "P01"}, {"id": "P01"}]),
                "/this_central/lots/1/id",
            ),
        ];
        for (edit, pointer) in cases {
            let faults = P2pConfig::parse(&text(edit)).unwrap_err();
            assert_eq!(faults[0].pointer, pointer, "{faults:?}");
        }
    }
}
