//! The committed configuration of a site's bus is what the table says.

use std::path::Path;

use wire::bus::users;

#[test]
fn the_sites_configuration_of_the_bus_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nats/nats.conf");
    let now = users::site_conf("nats-passwords.conf");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == now, "deploy/nats/nats.conf is stale: UPDATE_DOCS=1 cargo test -p wire");
}
