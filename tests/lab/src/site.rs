//! The files and the environment one central runs with.

use std::env;
use std::fs;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use wire::bus::users;

use crate::external;
use crate::layout::{Layout, write_atomically};
use crate::postgres;
use crate::settings::{LAB_USER, Settings, sha256_hex};
use crate::topology::{CentralId, Direction, Edge, Instance, Service};

/// No limit of the gateway may bind in the lab; the contract says not below 20 000 requests/s.
const RATE_LIMIT_PER_SECOND: &str = "50000";

/// Seconds between two looks at the external API: whoever changes something there wants to see it.
const EXTERNAL_API_INTERVAL: &str = "2";

/// Writes the secrets every central reads from files.
pub(crate) fn write_secrets(layout: &Layout, settings: &Settings) -> Result<()> {
    fs::create_dir_all(layout.secrets()).context("cannot make the folder for secrets")?;
    write_atomically(&layout.admin_token_file(), settings.admin_token.as_bytes())?;
    write_atomically(&layout.plate_key_file(), settings.plate_key.as_bytes())?;
    settings.bus_passwords.iter().try_for_each(|(user, password)| {
        write_atomically(&layout.bus_password_file(user), password.as_bytes())
    })
}

/// Writes a central's configuration, unless a kept one is there, and makes its folders.
pub(crate) fn write_central(layout: &Layout, settings: &Settings, central: CentralId) -> Result<()> {
    make_folders(layout, settings, central.into())?;
    let config = layout.p2p_config(central);
    if config.exists() {
        return Ok(());
    }
    write_atomically(&config, &serde_json::to_vec_pretty(&p2p_config(settings, central))?)
}

/// Writes what a clone needs: its central's configuration as it is now, with the clone's ports.
pub(crate) fn write_clone(layout: &Layout, settings: &Settings, central: CentralId) -> Result<()> {
    let (of, ports) = (Instance::clone_of(central), settings.ports());
    make_folders(layout, settings, of)?;
    let text = fs::read(layout.p2p_config(central)).context("cannot read the configuration to clone")?;
    let mut config: Value = serde_json::from_slice(&text).context("the configuration to clone is damaged")?;
    let own = config.get_mut("this_central").and_then(Value::as_object_mut);
    let own = own.context("the configuration to clone has no this_central")?;
    own.insert("p2p_port".to_owned(), json!(ports.mesh(of)));
    own.insert("api_port".to_owned(), json!(ports.gateway(of)));
    write_atomically(&layout.p2p_config(of), &serde_json::to_vec_pretty(&config)?)
}

fn make_folders(layout: &Layout, settings: &Settings, of: Instance) -> Result<()> {
    for service in Service::ALL {
        fs::create_dir_all(layout.working_directory(of, service))
            .with_context(|| format!("cannot make the folders of {of}"))?;
    }
    fs::create_dir_all(layout.logs().join(of.to_string())).context("cannot make the folder for logs")?;
    write_atomically(&layout.nats_conf(of), nats_conf(settings, of).as_bytes())
}

fn p2p_config(settings: &Settings, central: CentralId) -> Value {
    let ports = settings.ports();
    let peers: Vec<Value> = settings
        .centrals()
        .filter(|peer| *peer != central)
        .map(|peer| json!({"id": peer, "ip": "127.0.0.1", "p2p_port": ports.link(central, peer)}))
        .collect();
    json!({
        "this_central": {
            "id": central,
            "ip": "127.0.0.1",
            "p2p_port": ports.mesh(central),
            "api_port": ports.gateway(central),
            "edges": central.edges().map(|edge| edge_config(settings, central, edge)),
        },
        "peer_centrals": peers,
    })
}

pub(crate) fn edge_config(settings: &Settings, central: CentralId, edge: Edge) -> Value {
    // The contract's defaults: who stands before a closed entry gets in, who wants out asks staff.
    let (kind, on_no_ledger) = match edge.direction {
        Direction::Entry => ("entry_only", "open"),
        Direction::Exit => ("exit_only", "ask_staff"),
    };
    json!({
        "id": edge.id(),
        "type": kind,
        "vehicle_classes": ["car"],
        "lot_id": central.lot_id(),
        "cameras": [format!("cam-{}", edge.number)],
        "confirmation": "loop",
        "on_no_ledger": on_no_ledger,
        "key_sha256": sha256_hex(settings.edge_key(&edge.id())),
    })
}

fn nats_conf(settings: &Settings, of: Instance) -> String {
    let port = settings.ports().nats(of);
    let password = |user: &str| users::Password::Text(settings.bus_password(user).to_owned());
    let users = users::authorization(password, Some(LAB_USER));
    format!("listen: \"127.0.0.1:{port}\"\nserver_name: \"{of}\"\nmax_payload: 1048576\n\n{users}")
}

/// The URL of a central's database.
pub(crate) fn database_url(settings: &Settings, of: Instance) -> String {
    let port = settings.ports().postgres(of);
    format!("postgres://parkmesh:{}@127.0.0.1:{port}/parkmesh", settings.database_password)
}

/// The same for whoever only reads.
pub(crate) fn reader_url(settings: &Settings, of: Instance) -> String {
    let port = settings.ports().postgres(of);
    format!("postgres://{}:{}@127.0.0.1:{port}/parkmesh", postgres::READER, settings.reader_password)
}

/// The URL of a central's bus, without a user.
fn bus(settings: &Settings, of: Instance) -> String {
    format!("nats://127.0.0.1:{}", settings.ports().nats(of))
}

/// The URL of a central's bus, with the lab's own user and its password.
pub(crate) fn nats_url(settings: &Settings, of: Instance) -> String {
    let login = format!("nats://{LAB_USER}:{}@", settings.bus_password(LAB_USER));
    bus(settings, of).replacen("nats://", &login, 1)
}

/// What every process gets from the lab's own environment, and nothing else.
pub(crate) fn inherited_environment() -> Vec<(String, String)> {
    const NAMES: [&str; 8] =
        ["PATH", "HOME", "LANG", "TMPDIR", "TZ", "RUST_LOG", "RUST_BACKTRACE", "EXTERNAL_API_ALARM_AFTER"];
    env::vars().filter(|(key, _)| NAMES.contains(&key.as_str()) || key.starts_with("OTEL_")).collect()
}

/// The environment of one of the four programs.
pub(crate) fn environment(
    layout: &Layout,
    settings: &Settings,
    of: Instance,
    service: Service,
) -> Vec<(String, String)> {
    let ports = settings.ports();
    let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let mut variables = inherited_environment();
    let mut set = |key: &str, value: String| {
        variables.retain(|(name, _)| name != key);
        variables.push((key.to_owned(), value));
    };
    set("P2P_CONFIG_FILE", path(layout.p2p_config(of)));
    set("NATS_URL", bus(settings, of));
    set("NATS_PASSWORD_FILE", path(layout.bus_password_file(service.name())));
    set("LISTEN_HOST", "127.0.0.1".to_owned());
    set("LOG_FORMAT", "json".to_owned());
    // As in the image.
    set("MALLOC_ARENA_MAX", "1".to_owned());
    if let Some(port) = ports.health(of, service) {
        set("HEALTH_PORT", port.to_string());
    }
    match service {
        Service::EdgeGateway => {
            set("API_PORT", ports.gateway(of).to_string());
            set("ADMIN_TOKEN_FILE", path(layout.admin_token_file()));
            set("RATE_LIMIT_PER_SECOND", RATE_LIMIT_PER_SECOND.to_owned());
        }
        Service::Ledger => {
            set("DATABASE_URL", database_url(settings, of));
            set("PLATE_KEY_FILE", path(layout.plate_key_file()));
        }
        Service::Mesh => {
            set("P2P_PORT", ports.mesh(of).to_string());
            if settings.insecure {
                set("MESH_INSECURE", "1".to_owned());
                set("PLATE_KEY_FILE", path(layout.plate_key_file()));
            } else {
                set("MESH_TLS_CA_FILE", path(layout.ca_cert()));
                set("MESH_TLS_CERT_FILE", path(layout.cert(of.central)));
                set("MESH_TLS_KEY_FILE", path(layout.key(of.central)));
            }
        }
        Service::Sync => {
            set("EXTERNAL_API_URL", external::url(ports, of));
            set("EXTERNAL_API_INTERVAL", EXTERNAL_API_INTERVAL.to_owned());
        }
        Service::Nats | Service::Postgres => {}
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_central_has_the_known_form_and_dials_its_peers_through_the_links() {
        let settings = Settings::draw(3, 8000, false);
        let central = CentralId::new(2).unwrap();
        let config = p2p_config(&settings, central);
        assert_eq!(config["this_central"]["id"], "central-2");
        assert_eq!(config["this_central"]["edges"][0]["id"], "edge-5");
        assert_eq!(config["this_central"]["edges"][3]["type"], "exit_only");
        assert_eq!(config["this_central"]["edges"][3]["cameras"][0], "cam-8");
        let peers = config["peer_centrals"].as_array().unwrap();
        assert_eq!(peers.len(), 2);
        assert_eq!(peers[1]["id"], "central-3");
        assert_eq!(peers[1]["p2p_port"], settings.ports().link(central, CentralId::new(3).unwrap()));
    }

    #[test]
    fn the_configuration_holds_only_the_hash_of_an_edges_key() {
        let settings = Settings::draw(1, 8000, false);
        let text = p2p_config(&settings, CentralId::new(1).unwrap()).to_string();
        assert!(!text.contains(settings.edge_key("edge-1")));
        assert!(text.contains(&sha256_hex(settings.edge_key("edge-1"))));
    }
}
