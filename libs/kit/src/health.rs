//! Probes: `/livez` (the process answers) and `/readyz` (its own dependencies are there, never peers).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Json, Router, routing::get};

use crate::shutdown::Shutdown;

/// Named needs of a service. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health {
    needs: Arc<Mutex<BTreeMap<&'static str, bool>>>,
}

impl Health {
    /// Says whether a need is met. A need exists from the first call on.
    pub fn set(&self, need: &'static str, met: bool) {
        let before = self.needs.lock().unwrap_or_else(PoisonError::into_inner).insert(need, met);
        if before != Some(met) {
            // Seldom, so that no instrument need be kept.
            let meter = opentelemetry::global::meter("kit");
            let gauge = meter.u64_gauge("parkmesh_need_met");
            let gauge = gauge.with_description("1 while a service has what it needs, by need").build();
            gauge.record(u64::from(met), &[opentelemetry::KeyValue::new("need", need)]);
        }
        if before.is_some_and(|b| b != met) {
            tracing::info!(need, met, "readiness changed");
        }
    }

    /// Needs that are not met, in alphabetical order.
    pub fn missing(&self) -> Vec<&'static str> {
        let needs = self.needs.lock().unwrap_or_else(PoisonError::into_inner);
        needs.iter().filter(|(_, met)| !**met).map(|(n, _)| *n).collect()
    }

    /// The answer of `/readyz`.
    pub fn ready_response(&self) -> impl IntoResponse + use<> {
        let missing = self.missing();
        let code = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (code, Json(serde_json::json!({"ready": missing.is_empty(), "missing": missing})))
    }

    /// The two probes as a router.
    pub fn router(&self) -> Router {
        let health = self.clone();
        Router::new()
            .route("/livez", get(|| async { Json(serde_json::json!({"live": true})) }))
            .route("/readyz", get(move || std::future::ready(health.ready_response())))
    }

    /// Serves the probes until the stop. Errors when the port cannot be bound.
    pub(crate) async fn serve(&self, at: SocketAddr, shutdown: &Shutdown) -> anyhow::Result<()> {
        let listener = tokio::net::TcpListener::bind(at)
            .await
            .with_context(|| format!("HEALTH_PORT={}: cannot listen on {at}", at.port()))?;
        let token = shutdown.token();
        let router = self.router();
        shutdown.spawn("health", async move {
            axum::serve(listener, router).with_graceful_shutdown(token.cancelled_owned()).await?;
            Ok(())
        });
        Ok(())
    }
}
