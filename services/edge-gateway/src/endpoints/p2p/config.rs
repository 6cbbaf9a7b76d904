//! `GET, PUT /api/p2p/config`: the configuration file, strict and atomic, without its secrets.

use axum::extract::{Request, State};
use wire::bus::query::MeshQuery;
use wire::config::{ConfigFault, P2pConfig};
use wire::http::FieldError;

use crate::ask;
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::codes;
use crate::gateway::Gateway;
use crate::openapi::{ManagedOutside, Problems};
use crate::problem::{Answer, Refused};

/// The configuration in force
///
/// Key hashes are never shown.
#[utoipa::path(get, path = "/p2p/config", tag = "mesh",
    responses((status = 200, description = "Without secrets", body = P2pConfig), Problems))]
pub(crate) async fn get_config(State(gw): State<Gateway>, caller: Caller) -> Answer {
    caller.must_be_person()?;
    Ok(ask::raw_json(200, gw.mesh(&MeshQuery::Config).await?))
}

/// Replace the configuration
///
/// Strict: unknown keys are errors, and nothing is applied unless all of it is valid. Applied without a restart; links that did not
/// change stay up. Key hashes that are left out stay as they are. `this_central.id` cannot change. 409 `config_managed_externally`
/// where the file cannot be written.
#[utoipa::path(put, path = "/p2p/config", tag = "mesh", request_body = P2pConfig,
    responses((status = 200, description = "Now in force, without secrets", body = P2pConfig), ManagedOutside, Problems))]
pub(crate) async fn put_config(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let bytes = body::json_bytes(&head.headers, body, JSON_LIMIT).await?;
    body::parse(&bytes)?;
    let config = P2pConfig::parse(&bytes).map_err(refuse)?;
    caller.must_be_person().and_then(|()| same_id(&gw, &config))?;
    put(&gw, config).await
}

fn same_id(gw: &Gateway, config: &P2pConfig) -> Result<(), Refused> {
    if config.this_central.id == gw.site().config.this_central.id {
        return Ok(());
    }
    Err(invalid(vec![FieldError {
        field: "/this_central/id".to_owned(),
        code: "cannot_change".to_owned(),
        message: "cannot change".to_owned(),
    }]))
}

/// Hands a valid configuration to the mesh, which owns the file.
pub(crate) async fn put(gw: &Gateway, config: P2pConfig) -> Answer {
    let old = gw.site().config.clone();
    let config = config.keep_secrets_of(&old);
    if config != *old {
        gw.access().puts.begin(&config);
    }
    let answer = gw.mesh(&MeshQuery::PutConfig(Box::new(config.clone()))).await;
    if answer.is_err() {
        gw.access().puts.refused(&config);
    }
    Ok(ask::raw_json(200, answer?))
}

/// The faults of a configuration as a problem.
pub(crate) fn refuse(faults: Vec<ConfigFault>) -> Refused {
    invalid(
        faults
            .into_iter()
            .map(|f| FieldError { code: code_of(&f.reason).to_owned(), field: f.pointer, message: f.reason })
            .collect(),
    )
}

fn invalid(errors: Vec<FieldError>) -> Refused {
    let mut refused = Refused::fields(errors);
    let c = codes::find("invalid_config");
    let p = refused.problem_mut();
    c.code.clone_into(&mut p.code);
    c.title.clone_into(&mut p.title);
    p.kind = format!("/docs/errors#{}", c.code);
    refused
}

/// The code of a fault, by the words serde has for it.
fn code_of(reason: &str) -> &'static str {
    let starts = |s: &str| reason.starts_with(s);
    if starts("unknown field") {
        "unknown_key"
    } else if starts("missing field") {
        "missing"
    } else if starts("invalid type") {
        "wrong_type"
    } else if starts("unknown variant") {
        "unknown_value"
    } else {
        "invalid_value"
    }
}
