//! The service `sync` owns completeness: what is missing here, what is missing at the peers, and catch-up.
//!
//! It is a thin shell around [`replication::sync`]: messages of the bus become its inputs, its outputs become messages.
//! - `node` is the one task that owns the state machine;
//! - `requests` and `ledger` ask the ledger for holdings and events and have events stored;
//! - `bundle` makes files for sites without links and takes theirs;
//! - `reference` fetches documents from the external API and exchanges them with the peers;
//! - `audit` carries the conversation of the audits between the ledger and the peers;
//! - `keeping` looks up how far events have spread, and which ranges operators closed;
//! - `notes`, `metrics`, `alarms`, `view` and `recency` are what people see.
//!
//! It writes no Postgres and trusts nothing it remembers: holdings are read from the ledger again every ten seconds.

mod alarms;
mod audit;
mod bundle;
mod keeping;
mod ledger;
mod metrics;
mod node;
mod notes;
mod recency;
mod recovery;
mod reference;
mod requests;
mod view;

/// Runs the service until it is asked to stop. Errors: the bus cannot be subscribed to.
pub async fn run(svc: kit::Service) -> anyhow::Result<()> {
    node::Node::start(svc).await?.live().await
}
