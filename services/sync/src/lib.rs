//! The service `sync` owns completeness: what is missing here, what is missing at the peers, and catch-up.
//!
//! It is a thin shell around [`replication::catchup`]: messages of the bus become its inputs, its outputs become messages.
//! - `node` is the one task that owns the state machine;
//! - `ledger` asks the ledger for holdings and events and has events stored;
//! - `apply` brings received pages to the ledger, `answer` answers the requests of peers;
//! - `view` and `recency` are what people see.
//!
//! It writes no Postgres and trusts nothing it remembers: holdings are read from the ledger again every ten seconds.

mod answer;
mod apply;
mod ledger;
mod metrics;
mod node;
mod reading;
mod recency;
mod view;

/// Runs the service until it is asked to stop. Errors: the bus cannot be subscribed to.
pub async fn run(svc: kit::Service) -> anyhow::Result<()> {
    node::Node::start(svc).await?.live().await
}
