//! The stand-in for the external API: `GET /{central}/{document}` with `ETag`, from a file in the lab's folder that `put` replaces.
//!
//! Every central has an address of its own, so that one can lose its access while the others keep theirs.

mod documents;
mod serve;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use self::documents::Documents;
use crate::layout::{Layout, write_atomically};
use crate::topology::{CentralId, Instance, Ports};

/// See the module. Dropping it stops listening.
#[derive(Debug)]
pub(crate) struct External {
    layout: Layout,
    port: u16,
    state: Arc<Mutex<State>>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

/// What is served, and to whom not.
#[derive(Debug)]
struct State {
    documents: Documents,
    cut_off: BTreeSet<CentralId>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a central finds it.
pub(crate) fn url(ports: Ports, of: Instance) -> String {
    format!("http://127.0.0.1:{}/{}", ports.external(), of.central)
}

impl External {
    /// Starts serving what a kept lab served last, else the usual documents.
    pub(crate) async fn start(layout: &Layout, ports: Ports) -> Result<Self> {
        let documents = match std::fs::read(layout.external()) {
            Ok(kept) => serde_json::from_slice(&kept).context("the kept external.json is damaged")?,
            Err(_) => Documents::usual()?,
        };
        let state = State { documents, cut_off: BTreeSet::new() };
        let external = Self {
            layout: layout.clone(),
            port: ports.external(),
            state: Arc::new(Mutex::new(state)),
            listening: Mutex::default(),
        };
        external.save()?;
        external.up(None).await?;
        Ok(external)
    }

    fn save(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(&lock(&self.state).documents)?;
        write_atomically(&self.layout.external(), &text)
    }

    /// Serves these documents from now on; those not named stay. Warnings are for the user.
    pub(crate) fn put(&self, new: &Value) -> Result<Vec<String>> {
        let warnings = lock(&self.state).documents.put(new)?;
        self.save()?;
        Ok(warnings)
    }

    /// Nobody, or not this central, is answered any more.
    pub(crate) fn down(&self, central: Option<CentralId>) {
        match central {
            Some(central) => {
                lock(&self.state).cut_off.insert(central);
            }
            None => {
                if let Some(task) = lock(&self.listening).take() {
                    task.abort();
                }
            }
        }
    }

    /// Everybody, or also this central, is answered again.
    pub(crate) async fn up(&self, central: Option<CentralId>) -> Result<()> {
        match central {
            Some(central) => {
                lock(&self.state).cut_off.remove(&central);
            }
            None => {
                lock(&self.state).cut_off.clear();
                if lock(&self.listening).as_ref().is_some_and(|task| !task.is_finished()) {
                    return Ok(());
                }
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))
                    .await
                    .with_context(|| format!("cannot listen on port {} for the external API", self.port))?;
                let task = tokio::spawn(serve::accept(listener, Arc::clone(&self.state)));
                *lock(&self.listening) = Some(task);
            }
        }
        Ok(())
    }

    /// What it serves, in the form `put` takes, and how it stands.
    pub(crate) fn show(&self) -> Result<Value> {
        let state = lock(&self.state);
        let mut shown = serde_json::to_value(&state.documents)?;
        if let Some(o) = shown.as_object_mut() {
            let up = lock(&self.listening).as_ref().is_some_and(|task| !task.is_finished());
            o.insert("up".to_owned(), json!(up));
            o.insert("cut_off".to_owned(), json!(state.cut_off));
            o.insert("url".to_owned(), json!(format!("http://127.0.0.1:{}/{{central}}", self.port)));
        }
        Ok(shown)
    }
}

impl Drop for External {
    fn drop(&mut self) {
        self.down(None);
    }
}
