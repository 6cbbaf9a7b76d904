//! `docker-compose.yml`, written from the topology.

use std::fmt::Write as _;

use super::{API_PORT, CENTRALS, P2P_PORT, container};
use crate::topology::{CentralId, Service};

/// What stands before the centrals: what all containers, and all of one kind, have in common.
const HEAD: &str = r#"# Ten centrals in containers: `docker compose up`. Written by `./lab compose --write`; `./test lint` compares.
#
# Smaller: CENTRALS=3. Without Grafana: GRAFANA= OTLP_ENDPOINT= . Without traffic: TRAFFIC= . Other ports: PORTS=90 for 9001 to 9010.
# Other images: PARKMESH_IMAGE, LAB_IMAGE, POSTGRES_IMAGE, NATS_IMAGE, GRAFANA_IMAGE. The defaults stand in .env.
# Nothing depends on the order: a service waits for what it needs, however long. Keys, certificates and configurations are made by `setup`.

x-contained: &contained
  restart: unless-stopped
  read_only: true
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  pids_limit: 128
  logging:
    driver: json-file
    options: {max-size: "5m", max-file: "2"}

x-environment: &environment
  P2P_CONFIG_FILE: /site/config/p2p_config.json
  NATS_URL: nats://nats:4222
  RUST_LOG: ${RUST_LOG:-info}
  OTEL_EXPORTER_OTLP_ENDPOINT: ${OTLP_ENDPOINT-http://grafana:4318}
  OTEL_METRIC_EXPORT_INTERVAL: "5000"

x-program: &program
  <<: *contained
  image: ${PARKMESH_IMAGE:-parkmesh/central:@VERSION@}
  pull_policy: never
  user: "10001:10001"
  tmpfs: ["/tmp:size=16m,mode=1777"]
  depends_on:
    setup: {condition: service_completed_successfully}
  stop_grace_period: 15s

x-edge-gateway: &edge-gateway
  <<: *program
  command: [edge-gateway]
  healthcheck: {test: [CMD, edge-gateway, healthcheck], interval: 20s, timeout: 5s, retries: 3, start_period: 60s}
  mem_limit: 96m
  environment:
    <<: *environment
    NATS_PASSWORD_FILE: /site/secrets/nats-edge-gateway
    ADMIN_TOKEN_FILE: /site/secrets/admin-token
    RATE_LIMIT_PER_SECOND: "50000"

x-ledger: &ledger
  <<: *program
  command: [ledger]
  healthcheck: {test: [CMD, ledger, healthcheck], interval: 20s, timeout: 5s, retries: 3, start_period: 60s}
  mem_limit: 192m
  environment:
    <<: *environment
    NATS_PASSWORD_FILE: /site/secrets/nats-ledger
    DATABASE_URL_FILE: /site/secrets/database-url
    PLATE_KEY_FILE: /site/secrets/plate-key

x-mesh: &mesh
  <<: *program
  command: [mesh]
  healthcheck: {test: [CMD, mesh, healthcheck], interval: 20s, timeout: 5s, retries: 3, start_period: 60s}
  mem_limit: 128m
  environment:
    <<: *environment
    NATS_PASSWORD_FILE: /site/secrets/nats-mesh
    MESH_TLS_CA_FILE: /site/tls/ca.pem
    MESH_TLS_CERT_FILE: /site/tls/cert.pem
    MESH_TLS_KEY_FILE: /site/tls/key.pem

x-sync: &sync
  <<: *program
  command: [sync]
  healthcheck: {test: [CMD, sync, healthcheck], interval: 20s, timeout: 5s, retries: 3, start_period: 60s}
  mem_limit: 128m
  environment:
    <<: *environment
    NATS_PASSWORD_FILE: /site/secrets/nats-sync

x-nats: &nats
  <<: *contained
  image: ${NATS_IMAGE:-nats:2.12-alpine}
  user: "10001:10001"
  # Who may say and hear what, with the passwords beside it.
  command: ["-c", "/site/secrets/nats.conf"]
  environment:
    # One core is plenty for a central's bus; looking for work on others costs it a quarter more.
    GOMAXPROCS: "1"
    # Tidying its memory up as often as it would by itself costs it an eighth more.
    GOGC: "400"
    GOMEMLIMIT: 48MiB
  depends_on:
    setup: {condition: service_completed_successfully}
  healthcheck:
    test: [CMD, wget, -q, -O, "-", "http://127.0.0.1:8222/healthz"]
    interval: 20s
    timeout: 5s
    retries: 3
    start_period: 30s
  tmpfs: ["/tmp:size=8m,mode=1777"]
  mem_limit: 64m

x-postgres: &postgres
  <<: *contained
  image: ${POSTGRES_IMAGE:-postgres:18-bookworm}
  # The image's account; the group reads the site's files.
  user: "999:999"
  group_add: ["10001"]
  command: [postgres, -c, shared_buffers=256MB, -c, max_connections=40, -c, jit=off, -c, huge_pages=off, -c, work_mem=4MB,
            -c, maintenance_work_mem=32MB, -c, max_wal_size=2GB, -c, checkpoint_timeout=15min, -c, max_worker_processes=4, -c, max_parallel_workers_per_gather=0,
            -c, autovacuum_max_workers=1, -c, autovacuum_vacuum_cost_delay=10ms, -c, timezone=UTC, -c, log_timezone=UTC]
  environment:
    # The superuser, who has no password once the roles are made (deploy/postgres/roles.sh).
    POSTGRES_USER: postgres
    POSTGRES_PASSWORD_FILE: /site/secrets/postgres-password
    LEDGER_PASSWORD_FILE: /site/secrets/postgres-password
    READER_PASSWORD_FILE: /site/secrets/postgres-reader-password
    PGDATA: /var/lib/postgresql/pgdata
  depends_on:
    setup: {condition: service_completed_successfully}
  healthcheck:
    test: [CMD, pg_isready, -q, -h, 127.0.0.1, -U, parkmesh, -d, parkmesh]
    interval: 20s
    timeout: 5s
    retries: 3
    start_period: 60s
  tmpfs: ["/tmp:size=16m,mode=1777", "/var/run/postgresql:size=1m,mode=1777"]
  shm_size: 64m
  stop_signal: SIGINT
  stop_grace_period: 30s
  mem_limit: 640m
"#;

/// The whole file.
pub(crate) fn file() -> String {
    let mut text = String::from(HEAD);
    // Writing to a string cannot fail.
    let _ = write(&mut text);
    text.replace("@VERSION@", env!("CARGO_PKG_VERSION"))
}

fn write(text: &mut String) -> std::fmt::Result {
    writeln!(text, "\nservices:")?;
    setup(text)?;
    for central in CentralId::first(CENTRALS) {
        self::central(text, central)?;
    }
    traffic(text)?;
    text.push_str(GRAFANA);
    every_network(text)?;
    writeln!(text, "\nvolumes:\n  lab:\n  grafana:")?;
    for central in CentralId::first(CENTRALS) {
        writeln!(text, "  {central}:\n  {central}-postgres:")?;
    }
    writeln!(
        text,
        "\nnetworks:\n  # Between the centrals, and nothing else is: who is taken off it is cut off.\n  wan: {{name: parkmesh-wan}}"
    )?;
    for central in CentralId::first(CENTRALS) {
        writeln!(text, "  {central}: {{name: parkmesh-{central}}}")?;
    }
    Ok(())
}

fn setup(text: &mut String) -> std::fmt::Result {
    text.push_str(
        r#"
  # Runs once at every `up`: makes what is not there yet, each central's files on a volume of its own.
  setup:
    <<: *contained
    image: ${LAB_IMAGE:-parkmesh/lab:@VERSION@}
    build:
      context: .
      target: lab
      args: {BUILD_IMAGE: "${BUILD_IMAGE:-rust:1.95.0-slim-bookworm}"}
    container_name: setup
    command: [setup]
    restart: "no"
    # Root's files, read by group 10001. A gateway may have written its own configuration since.
    user: "0:10001"
    cap_add: [DAC_OVERRIDE]
    network_mode: none
    mem_limit: 64m
    environment:
      CENTRALS: ${CENTRALS:-10}
    volumes:
      - lab:/lab
"#,
    );
    for central in CentralId::first(CENTRALS) {
        writeln!(text, "      - {central}:/sites/{central}")?;
    }
    Ok(())
}

/// Everything a central has. The first one always runs; the others where the profile says at least so many.
fn central(text: &mut String, central: CentralId) -> std::fmt::Result {
    writeln!(text, "\n  # {central}: {}", central.edges().map(|edge| edge.id()).join(", "))?;
    for service in Service::ALL {
        let name = container(central, service);
        writeln!(text, "  {name}:\n    <<: *{service}\n    container_name: {name}")?;
        if central.number() > 1 {
            let sizes: Vec<String> =
                (central.number()..=CENTRALS).map(|size| format!("centrals-{size}")).collect();
            writeln!(text, "    profiles: [{}]", sizes.join(", "))?;
        }
        if central.number() == 1 && service == Service::EdgeGateway {
            // One service builds the image that forty use.
            text.push_str(
                "    pull_policy: if_not_present\n    build:\n      context: .\n      target: central\n      args: {BUILD_IMAGE: \"${BUILD_IMAGE:-rust:1.95.0-slim-bookworm}\"}\n",
            );
        }
        let mut networks = format!("{central}: {{aliases: [{service}]}}");
        if service == Service::Mesh {
            networks.push_str(", wan: {}");
        }
        writeln!(text, "    networks: {{{networks}}}")?;
        match service {
            Service::EdgeGateway => {
                // It may write the configuration: PUT /api/p2p/config.
                writeln!(text, "    volumes: [\"{central}:/site\"]")?;
                let port = central.number();
                writeln!(
                    text,
                    "    ports: [\"${{PUBLISH:-127.0.0.1}}:${{PORTS:-80}}{port:02}:{API_PORT}\"]"
                )?;
            }
            Service::Postgres => {
                writeln!(
                    text,
                    "    volumes:\n      - {central}:/site:ro\n      - {central}-postgres:/var/lib/postgresql\n      \
                     - ./deploy/postgres:/roles:ro\n      \
                     - ./deploy/postgres/roles.sh:/docker-entrypoint-initdb.d/roles.sh:ro"
                )?;
            }
            Service::Mesh => {
                writeln!(text, "    volumes: [\"{central}:/site:ro\"]\n    expose: [\"{P2P_PORT}\"]")?;
            }
            Service::Ledger | Service::Sync | Service::Nats => {
                writeln!(text, "    volumes: [\"{central}:/site:ro\"]")?
            }
        }
    }
    Ok(())
}

fn traffic(text: &mut String) -> std::fmt::Result {
    text.push_str(
        r#"
  # Cars on all lanes, for ever; `docker stop traffic` ends them.
  traffic:
    <<: *contained
    image: ${LAB_IMAGE:-parkmesh/lab:@VERSION@}
    pull_policy: never
    container_name: traffic
    profiles: [traffic]
    command: [drive, --rate, "${TRAFFIC_RATE:-10}"]
    user: "10001:10001"
    mem_limit: 128m
    depends_on:
      setup: {condition: service_completed_successfully}
    volumes: ["lab:/lab:ro"]
"#,
    );
    every_network(text)
}

/// In the network of every central: a network of its own with all of them in it would be a way around the cut ones.
fn every_network(text: &mut String) -> std::fmt::Result {
    writeln!(text, "    networks:")?;
    CentralId::first(CENTRALS).try_for_each(|central| writeln!(text, "      {central}: {{}}"))
}

/// Grafana with Tempo, Prometheus and Loki behind an OpenTelemetry collector.
const GRAFANA: &str = r#"
  # http://127.0.0.1:3000, no login.
  grafana:
    image: ${GRAFANA_IMAGE:-grafana/otel-lgtm:0.11.10}
    container_name: grafana
    profiles: [grafana]
    restart: unless-stopped
    security_opt: ["no-new-privileges:true"]
    pids_limit: 1024
    mem_limit: 1536m
    environment:
      GF_AUTH_ANONYMOUS_ENABLED: "true"
      GF_AUTH_ANONYMOUS_ORG_ROLE: Viewer
      GF_AUTH_DISABLE_LOGIN_FORM: "true"
      GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: /otel-lgtm/parkmesh/fleet.json
    ports: ["${PUBLISH:-127.0.0.1}:${GRAFANA_PORT:-3000}:3000"]
    volumes:
      - grafana:/data
      - ./deploy/grafana/dashboards:/otel-lgtm/parkmesh:ro
      - ./deploy/grafana/provider.yaml:/otel-lgtm/grafana/conf/provisioning/dashboards/parkmesh.yaml:ro
      - ./deploy/prometheus/alerts.yaml:/otel-lgtm/alerts.yaml:ro
      - ./deploy/prometheus/prometheus.yaml:/otel-lgtm/prometheus.yaml:ro
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_centrals_of_six_containers_each_and_one_profile_per_size() {
        let text = file();
        let centrals = |line: &&str| line.starts_with("    container_name: central-");
        assert_eq!(text.lines().filter(centrals).count(), 60);
        // The third is there for three and more.
        assert_eq!(text.matches("profiles: [centrals-3,").count(), 6);
        assert_eq!(text.matches("profiles: [centrals-10]").count(), 6);
    }
}
