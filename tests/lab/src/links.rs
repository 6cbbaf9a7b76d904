//! The network between the centrals: one proxy per ordered pair, which can be cut.
//!
//! A cut works on the bytes, as a broken cable would: with [`CutMode::Drop`] nothing is read any more,
//! so nothing is acknowledged, closed or refused, and what waited goes on when the cut is healed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::topology::{CentralId, Ports};

/// How a link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum CutMode {
    /// Bytes silently stop; new connections hang.
    Drop,
    /// Connections are reset, new ones too.
    Reset,
}

/// One cut direction: nothing of `from` reaches `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Whose bytes are lost.
    pub from: CentralId,
    /// Who does not get them.
    pub to: CentralId,
    /// How.
    pub mode: CutMode,
}

/// What the links have carried so far, both ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// Bytes above TCP, TLS included.
    pub bytes: u64,
    /// Pieces as they were read: about one per TCP segment as long as little flows.
    pub pieces: u64,
}

#[derive(Debug, Default)]
struct Count {
    bytes: AtomicU64,
    pieces: AtomicU64,
}

type Pair = (CentralId, CentralId);
type Flow = watch::Receiver<Option<CutMode>>;

/// All proxies of a lab. Dropping it closes every listener and connection.
#[derive(Debug)]
pub(crate) struct Links {
    cuts: BTreeMap<Pair, watch::Sender<Option<CutMode>>>,
    carried: Arc<Count>,
    tasks: Mutex<JoinSet<()>>,
}

impl Links {
    /// Binds a proxy for every ordered pair and starts forwarding.
    pub(crate) async fn start(ports: Ports) -> Result<Self> {
        let centrals = || CentralId::first(ports.centrals);
        let cuts: BTreeMap<Pair, _> = centrals()
            .flat_map(|from| centrals().filter(move |to| *to != from).map(move |to| (from, to)))
            .map(|pair| (pair, watch::Sender::new(None)))
            .collect();
        let carried = Arc::new(Count::default());
        let mut tasks = JoinSet::new();
        for ((from, to), forward) in &cuts {
            let port = ports.link(*from, *to);
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                .await
                .with_context(|| format!("cannot listen on port {port} for the link {from} → {to}"))?;
            let target = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.mesh(*to)));
            let backward = cuts.get(&(*to, *from)).context("every pair has its way back")?.subscribe();
            tasks.spawn(accept(listener, target, forward.subscribe(), backward, Arc::clone(&carried)));
        }
        Ok(Self { cuts, carried, tasks: Mutex::new(tasks) })
    }

    /// What all links together have carried so far.
    pub(crate) fn carried(&self) -> Carried {
        Carried {
            bytes: self.carried.bytes.load(Ordering::Relaxed),
            pieces: self.carried.pieces.load(Ordering::Relaxed),
        }
    }

    /// Cuts what flows from one central to the other.
    pub(crate) fn cut(&self, cut: Cut) {
        if let Some(flow) = self.cuts.get(&(cut.from, cut.to)) {
            flow.send_replace(Some(cut.mode));
        }
    }

    /// Heals both directions of one pair, or of all.
    pub(crate) fn heal(&self, pair: Option<Pair>) {
        for ((from, to), flow) in &self.cuts {
            if pair.is_none_or(|(a, b)| (a, b) == (*from, *to) || (b, a) == (*from, *to)) {
                flow.send_if_modified(|mode| mode.take().is_some());
            }
        }
    }

    /// What is cut now.
    pub(crate) fn cuts(&self) -> Vec<Cut> {
        self.cuts
            .iter()
            .filter_map(|((from, to), flow)| (*flow.borrow()).map(|mode| Cut { from: *from, to: *to, mode }))
            .collect()
    }

    /// Closes every listener and connection.
    pub(crate) fn close(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    forward: Flow,
    backward: Flow,
    carried: Arc<Count>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    connections.spawn(relay(client, target, forward.clone(), backward.clone(), Arc::clone(&carried)));
                }
                // Out of descriptors, most likely: the next accept fails at once too.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Why a relay ended.
enum End {
    /// One side closed or broke, or the lab went down.
    Closed,
    /// The link was cut with [`CutMode::Reset`].
    Reset,
}

async fn relay(
    mut client: TcpStream,
    target: SocketAddr,
    mut forward: Flow,
    mut backward: Flow,
    carried: Arc<Count>,
) {
    // What the client says while its call hangs; delivered when the link is healed.
    let early = match hold(&mut client, &mut forward, &mut backward).await {
        Ok(early) => early,
        Err(End::Reset) => return reset(&client),
        Err(End::Closed) => return,
    };
    let Ok(mut server) = TcpStream::connect(target).await else {
        return reset(&client);
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    if server.write_all(&early).await.is_err() {
        return reset(&client);
    }
    let end = {
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        let ahead = pump(client_read, server_write, forward.clone(), &carried);
        let back = pump(server_read, client_write, backward, &carried);
        // A half-closed connection goes on in the other direction; a broken or reset one does not.
        tokio::select! {
            end = async { tokio::try_join!(ahead, back).err().unwrap_or(End::Closed) } => end,
            // `--one-way --mode reset` ends a connection by its dialling side only.
            () = wait_for_reset(forward) => End::Reset,
        }
    };
    if matches!(end, End::Reset) {
        reset(&client);
        reset(&server);
    }
}

/// Waits until both directions are open, collecting what the client sends meanwhile.
async fn hold(client: &mut TcpStream, forward: &mut Flow, backward: &mut Flow) -> Result<Vec<u8>, End> {
    const EARLY_BYTES: usize = 64 * 1024;
    let mut early = Vec::new();
    loop {
        let (ahead, back) = (*forward.borrow_and_update(), *backward.borrow_and_update());
        match (ahead, back) {
            (Some(CutMode::Reset), _) => return Err(End::Reset),
            (Some(CutMode::Drop), _) | (_, Some(CutMode::Drop)) => {}
            (None, None | Some(CutMode::Reset)) => return Ok(early),
        }
        tokio::select! {
            changed = forward.changed() => changed.map_err(|_| End::Closed)?,
            changed = backward.changed() => changed.map_err(|_| End::Closed)?,
            // A client that gave up must not call again when the link is healed.
            read = client.read_buf(&mut early), if early.len() < EARLY_BYTES => match read {
                Ok(0) | Err(_) => return Err(End::Closed),
                Ok(_) => {}
            },
        }
    }
}

async fn wait_for_reset(mut flow: Flow) {
    // An error means the lab goes down; the pumps see it too.
    let _ = flow.wait_for(|mode| *mode == Some(CutMode::Reset)).await;
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut flow: Flow,
    carried: &Count,
) -> Result<(), End> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        open(&mut flow).await?;
        let length = tokio::select! {
            biased;
            changed = flow.changed() => {
                changed.map_err(|_| End::Closed)?;
                continue;
            }
            read = from.read(&mut buffer) => read.map_err(|_| End::Closed)?,
        };
        open(&mut flow).await?;
        if length == 0 {
            return to.shutdown().await.map_err(|_| End::Closed);
        }
        let bytes = buffer.get(..length).unwrap_or_default();
        carried.bytes.fetch_add(length as u64, Ordering::Relaxed);
        carried.pieces.fetch_add(1, Ordering::Relaxed);
        to.write_all(bytes).await.map_err(|_| End::Closed)?;
    }
}

/// Waits while the direction is dropped.
async fn open(flow: &mut Flow) -> Result<(), End> {
    flow.wait_for(|mode| *mode != Some(CutMode::Drop)).await.map(|_| ()).map_err(|_| End::Closed)
}

fn reset(stream: &TcpStream) {
    // Closing with unsent data and no linger time sends RST instead of FIN.
    let _ = stream.set_zero_linger();
}
