//! `lab setup`, the one container that runs before the others: keys, certificates, configurations, each central's on its own volume.
//!
//! What is there stays, so that every `up` may run it. A configuration is written anew when the number of centrals changed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use wire::bus::users;

use super::{API_PORT, CENTRALS, P2P_PORT, container};
use crate::lab_file::LabFile;
use crate::layout::{Layout, write_atomically};
use crate::postgres::READER;
use crate::settings::Settings;
use crate::topology::{CentralId, Ports, Service};
use crate::{output, pki, prepare, site};

/// Read by the group of the services, written by root.
const SHARED: u32 = 0o640;
const SHARED_FOLDER: u32 = 0o750;
/// What the bus server's configuration includes, from its own folder.
const BUS_PASSWORDS: &str = "nats-passwords.conf";
/// The gateway exchanges the configuration in it.
const CONFIG_FOLDER: u32 = 0o2770;

/// Fills `sites/central-N/{secrets,tls,config}` and the lab's own folder for the first `count` centrals.
pub(crate) fn run(layout: &Layout, sites: &Path, count: u16) -> Result<()> {
    ensure!((1..=CENTRALS).contains(&count), "CENTRALS is 1 to {CENTRALS}, not {count}");
    fs::create_dir_all(layout.root()).context("cannot make the lab's folder")?;
    let settings = match Settings::kept(layout)? {
        Some(settings) => settings,
        // Keys for all: a lab that grows keeps those it has.
        None => Settings::draw(CENTRALS, Ports::DEFAULT_BASE, false),
    };
    pki::make(layout, settings.centrals())?;
    settings.save(layout)?;
    for central in CentralId::first(CENTRALS) {
        self::central(layout, &settings, &sites.join(central.to_string()), central, count)
            .with_context(|| format!("the files of {central}"))?;
    }
    let mut file = lab_file(layout, &settings, count)?;
    file.ready = true;
    file.write(layout)?;
    // The traffic generator reads it under another account of the group.
    permit(&layout.lab_json(), SHARED)?;
    output::line(format!("keys, certificates and configurations of {count} centrals are there"));
    Ok(())
}

fn central(layout: &Layout, settings: &Settings, site: &Path, central: CentralId, count: u16) -> Result<()> {
    let (secrets, tls, config) = (site.join("secrets"), site.join("tls"), site.join("config"));
    for (folder, mode) in [(&secrets, SHARED_FOLDER), (&tls, SHARED_FOLDER), (&config, CONFIG_FOLDER)] {
        fs::create_dir_all(folder)?;
        permit(folder, mode)?;
    }
    let password = &settings.database_password;
    let url = format!("postgres://parkmesh:{password}@postgres:5432/parkmesh");
    put(&secrets.join("admin-token"), settings.admin_token.as_bytes())?;
    put(&secrets.join("plate-key"), settings.plate_key.as_bytes())?;
    put(&secrets.join("postgres-password"), password.as_bytes())?;
    put(&secrets.join("postgres-reader-password"), settings.reader_password.as_bytes())?;
    put(&secrets.join("database-url"), url.as_bytes())?;
    bus(&secrets, settings)?;
    put(&tls.join("ca.pem"), &fs::read(layout.ca_cert())?)?;
    put(&tls.join("cert.pem"), &fs::read(layout.cert(central))?)?;
    put(&tls.join("key.pem"), &fs::read(layout.key(central))?)?;
    let file = config.join("p2p_config.json");
    let wanted = p2p_config(settings, central, count);
    if peers(&fs::read(&file).unwrap_or_default()) != peers(&serde_json::to_vec(&wanted)?) {
        put(&file, &serde_json::to_vec_pretty(&wanted)?)?;
    }
    Ok(())
}

/// Each service's password on the bus, and the server's configuration with all of them beside it. The lab's own user stays at home.
fn bus(secrets: &Path, settings: &Settings) -> Result<()> {
    for user in &users::USERS {
        put(&secrets.join(format!("nats-{}", user.name)), settings.bus_password(user.name).as_bytes())?;
    }
    let passwords = users::passwords(|user| settings.bus_password(user).to_owned());
    put(&secrets.join(BUS_PASSWORDS), passwords.as_bytes())?;
    put(&secrets.join("nats.conf"), users::site_conf(BUS_PASSWORDS).as_bytes())
}

/// The ids of a configuration's peers; `None` for what is none.
fn peers(text: &[u8]) -> Option<BTreeSet<String>> {
    let config: Value = serde_json::from_slice(text).ok()?;
    let peers = config.get("peer_centrals")?.as_array()?;
    peers.iter().map(|peer| Some(peer.get("id")?.as_str()?.to_owned())).collect()
}

fn p2p_config(settings: &Settings, central: CentralId, count: u16) -> Value {
    let peers: Vec<Value> = CentralId::first(count)
        .filter(|peer| *peer != central)
        .map(|peer| json!({"id": peer, "ip": container(peer, Service::Mesh), "p2p_port": P2P_PORT}))
        .collect();
    json!({
        "this_central": {
            "id": central,
            "ip": container(central, Service::Mesh),
            "p2p_port": P2P_PORT,
            "api_port": API_PORT,
            "edges": central.edges().map(|edge| site::edge_config(settings, central, edge)),
        },
        "peer_centrals": peers,
    })
}

/// The lab as the containers see it.
fn lab_file(layout: &Layout, settings: &Settings, count: u16) -> Result<LabFile> {
    let mut file = prepare::describe(layout, settings)?;
    file.centrals.truncate(count.into());
    for entry in &mut file.centrals {
        let mesh = container(entry.id, Service::Mesh);
        entry.gateway = format!("http://{}:{API_PORT}", container(entry.id, Service::EdgeGateway));
        entry.mesh = format!("wss://{mesh}:{P2P_PORT}");
        let password = &settings.database_password;
        let postgres = container(entry.id, Service::Postgres);
        entry.database_url = format!("postgres://parkmesh:{password}@{postgres}:5432/parkmesh");
        let reader = &settings.reader_password;
        entry.reader_url = format!("postgres://{READER}:{reader}@{postgres}:5432/parkmesh");
        // Nobody there may say and hear everything.
        let (observer, nats) = (settings.bus_password("observer"), container(entry.id, Service::Nats));
        entry.nats_url = format!("nats://observer:{observer}@{nats}:4222");
        // A container's health is the engine's to tell.
        entry.health.clear();
    }
    Ok(file)
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    write_atomically(path, bytes)?;
    permit(path, SHARED)
}

fn permit(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setup_makes_all_files_and_a_second_run_changes_only_what_the_size_changes() {
        let root = std::env::temp_dir().join(format!("parkmesh-setup-{}", crate::settings::random_hex(4)));
        let (layout, sites) = (Layout::new(&root.join("lab")).unwrap(), root.join("sites"));
        let read = |path: &str| fs::read_to_string(sites.join(path)).unwrap();
        run(&layout, &sites, 3).unwrap();
        let (token, key) = (read("central-2/secrets/admin-token"), read("central-2/tls/key.pem"));
        let three = read("central-2/config/p2p_config.json");
        assert_eq!(peers(three.as_bytes()).unwrap().len(), 2);
        assert!(wire::config::P2pConfig::parse(three.as_bytes()).is_ok());

        // A lane added by PUT stays as long as the peers are the same ones.
        let edited = three.replace("P02", "P99");
        fs::write(sites.join("central-2/config/p2p_config.json"), &edited).unwrap();
        run(&layout, &sites, 3).unwrap();
        assert_eq!(read("central-2/config/p2p_config.json"), edited);

        run(&layout, &sites, 10).unwrap();
        assert_eq!(peers(read("central-2/config/p2p_config.json").as_bytes()).unwrap().len(), 9);
        assert_eq!(
            (read("central-2/secrets/admin-token"), read("central-2/tls/key.pem")),
            (token.clone(), key)
        );
        assert_eq!(read("central-9/secrets/admin-token"), token);
        let file = LabFile::read(&layout).unwrap().unwrap();
        assert_eq!(file.centrals.len(), 10);

        // A password per service; the server has all of them and its configuration none.
        let (ledger, mesh) = (read("central-9/secrets/nats-ledger"), read("central-9/secrets/nats-mesh"));
        let (conf, all) =
            (read("central-9/secrets/nats.conf"), read("central-9/secrets/nats-passwords.conf"));
        assert!(ledger.len() == 32 && ledger != mesh);
        assert!(all.contains(&ledger) && all.contains(&mesh) && !conf.contains(&ledger));
        assert!(conf.contains("include \"nats-passwords.conf\"") && !conf.contains("\"lab\""));
        assert_eq!(
            read("central-9/secrets/database-url")
                .matches(&read("central-9/secrets/postgres-password"))
                .count(),
            1
        );
        assert_ne!(
            read("central-9/secrets/postgres-password"),
            read("central-9/secrets/postgres-reader-password")
        );
        let mode = |path: &str| fs::metadata(sites.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode("central-9/secrets"), mode("central-9/secrets/nats-ledger")),
            (SHARED_FOLDER, SHARED)
        );
        assert_eq!(file.centrals[4].gateway, "http://central-5-edge-gateway:8000");
        fs::remove_dir_all(root).unwrap();
    }
}
