//! edge-gateway: the HTTP door of a central. Who asks, is it well said, and who in this central knows the answer; it decides
//! nothing itself and never touches Postgres.
//!
//! A connection is one of `server`'s; a request goes through [`router`]: `request_span` (trace, metric) → `limits::door` (the address's
//! rate) → `caller` (key, rate limit) → `limits::turns` (how much of one key is at work) → an endpoint (fields, 403, 404) → `ask` (the
//! bus, with a deadline) → the answer, or a `problem` with a code of `codes`.

mod access;
mod admin_token;
mod ask;
mod body;
mod bundles;
mod caller;
mod codes;
mod docs_page;
mod endpoints;
mod fields;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gateway;
mod heartbeats;
mod images;
mod lane_modes;
mod lane_request;
mod lane_streams;
mod limits;
mod metrics;
mod modes;
mod news;
mod openapi;
mod params;
mod problem;
mod request_span;
mod router;
mod server;
mod site;
mod tls;
mod unanswered;

use std::net::SocketAddr;

use anyhow::Context;
use kit::{BadSetting, Service, Settings};
use tokio::net::TcpListener;
use wire::config::P2pConfig;

use crate::gateway::{Gateway, Parts, streams};

pub use crate::codes::errors_markdown;
pub use crate::router::openapi;

/// The OpenAPI document as it is served and as it stands in `docs/openapi.json`.
pub fn openapi_json() -> String {
    let mut text = openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Checks the folders of pictures and uploads, and the certificate, before any port is bound. Errors: one line naming the setting.
pub fn check(settings: &Settings, _: &P2pConfig) -> Result<(), BadSetting> {
    if let Some(folder) = &settings.image_dir {
        std::fs::create_dir_all(folder).map_err(|e| BadSetting {
            key: "IMAGE_DIR".to_owned(),
            value: folder.display().to_string(),
            reason: format!("cannot be used: {e}"),
        })?;
    }
    if let Some(files) = &settings.gateway_tls {
        tls::config(files)?;
    }
    if !settings.bundle_dir.is_dir() {
        return Err(BadSetting {
            key: "BUNDLE_DIR".to_owned(),
            value: settings.bundle_dir.display().to_string(),
            reason: "is no folder".to_owned(),
        });
    }
    Ok(())
}

/// Runs until the stop. Errors: the port cannot be bound, or the bus client cannot be used.
pub async fn run(svc: Service) -> anyhow::Result<()> {
    svc.health.set("http", false);
    let port = svc.settings.api_port.unwrap_or_else(|| svc.config.current().this_central.api_port);
    let at = SocketAddr::new(svc.settings.listen_host, port);
    let listener =
        TcpListener::bind(at).await.with_context(|| format!("API_PORT={port}: cannot listen on {at}"))?;
    serve(svc, listener).await
}

/// The same on a listener of the caller's.
pub async fn serve(svc: Service, listener: TcpListener) -> anyhow::Result<()> {
    let http = svc.settings.http;
    let site = news::site(&svc);
    let admin_token = admin_token::watch(svc.settings.admin_token_file.clone(), &svc.shutdown).await;
    let (access, acts) = access::Access::new(svc.settings.access_cache_file.clone());
    let (stored, _) = tokio::sync::broadcast::channel(news::STORED_BOUND);
    let gateway = Gateway::new(Parts {
        bus: svc.bus.clone(),
        health: svc.health.clone(),
        site,
        admin_token,
        access,
        stored: stored.clone(),
        limits: caller::RateLimits::new(svc.settings.rate_limit_per_second),
        connections: limits::Connections::new(http),
        addresses: limits::Addresses::new(&http),
        turns: limits::Turns::new(&http),
        modes: modes::Modes::default(),
        unanswered: unanswered::Unanswered::default(),
        heartbeats: heartbeats::Heartbeats::new(kit::clock::now_ms()),
        lane_modes: lane_modes::LaneModes::default(),
        lane_streams: lane_streams::LaneStreams::default(),
        images: images::Images::new(svc.settings.image_dir.clone()),
        bundles: bundles::Bundles::new(svc.settings.bundle_dir.clone(), svc.settings.bundle_limit),
        metrics: metrics::Metrics::new(),
        streams: streams(),
        uploads: limits::Uploads::default(),
        stopping: svc.shutdown.token(),
    });
    news::listen(&svc, &gateway, stored).await?;
    heartbeats::follow(&gateway, &svc.shutdown);
    lane_modes::follow(&gateway, &svc.shutdown);
    access::follow::refresh(&gateway).await;
    access::follow::follow(&gateway, &svc.shutdown);
    access::acts::write_down(&gateway, acts, &svc.shutdown);
    access::edits::follow(&gateway, svc.config.clone(), &svc.shutdown);
    let door = tls::door(svc.settings.gateway_tls.clone(), &svc.shutdown)?;
    let app = router::app(gateway.clone());
    svc.health.set("http", true);
    tracing::info!(address = ?listener.local_addr().ok(), "listening");
    server::serve(listener, door, app, gateway, svc.health.clone(), &svc.shutdown).await;
    Ok(())
}
