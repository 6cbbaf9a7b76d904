//! History brought in at once: what a car park would have written in days, with all its hashes, through the ledger's own door.

mod history;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use wire::bus::events::{Apply, ApplyLane, ApplyReply, Carried, decode, encode};
use wire::bus::subject::LEDGER_APPLY;
use wire::id::CentralId as Name;

use crate::layout::Layout;
use crate::topology::CentralId;
use crate::{clock, lab_file::LabFile, output};

use history::History;

/// Events of one message at most; the bus takes 768 KiB.
const EVENTS: usize = 1000;
const BYTES: usize = 600 * 1024;
/// Messages under way, as sync has.
const UNDER_WAY: usize = 3;
/// How long the ledger may take for one message.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to bring in.
#[derive(Debug, Clone)]
pub struct BackfillOptions {
    /// Whose ledger gets it.
    pub central: CentralId,
    /// How many events.
    pub events: u64,
    /// The days they are spread over, up to now.
    pub days: f64,
    /// Who is said to have written them; each gets an incarnation of its own.
    pub origins: Vec<CentralId>,
    /// The cars' lives follow from it.
    pub seed: u64,
}

/// What it took.
#[derive(Debug, Clone, Copy)]
pub struct Backfilled {
    /// Events that were new to the ledger.
    pub stored: u64,
    /// Seconds.
    pub seconds: f64,
}

/// Brings history into one central's ledger.
///
/// # Errors
/// When the bus or the ledger does not take it.
pub async fn bring_in(file: &LabFile, layout: &Layout, options: &BackfillOptions) -> Result<Backfilled> {
    ensure!(options.events > 0 && options.days > 0.0, "--events and --days are more than none");
    let entry = file.central(options.central).context("no such central")?;
    let key = std::fs::read_to_string(layout.plate_key_file()).context("the operator's key")?;
    let bus = crate::bus::connect(&entry.nats_url).await.context("the central's bus")?;
    // A central is never its own peer; which other one it is said to come from decides nothing.
    let from = file.centrals.iter().map(|one| one.id).find(|id| *id != options.central);
    let from = Name::new(&from.unwrap_or(options.central).to_string())?;
    let mut history = History::new(options, key.trim().as_bytes(), clock::now().as_millisecond())?;
    let begun = Instant::now();
    let (mut stored, mut sent, mut told) = (0, 0, Instant::now());
    let mut under_way = VecDeque::new();
    loop {
        let events = page(&mut history)?;
        let last = events.is_empty();
        if !last {
            sent += events.len();
            let apply = Apply { from: from.clone(), lane: ApplyLane::Backlog, events };
            under_way.push_back(tokio::spawn(give(bus.clone(), encode(&apply)?)));
        }
        while under_way.len() >= UNDER_WAY || (last && !under_way.is_empty()) {
            let Some(one) = under_way.pop_front() else { break };
            stored += u64::from(one.await??);
        }
        if last {
            break;
        }
        if told.elapsed() >= Duration::from_secs(5) {
            told = Instant::now();
            let rate = stored as f64 / begun.elapsed().as_secs_f64();
            output::line(format!("{sent} of {} events, {rate:.0}/s", options.events));
        }
    }
    Ok(Backfilled { stored, seconds: begun.elapsed().as_secs_f64() })
}

fn page(history: &mut History) -> Result<Vec<Carried>> {
    let (mut events, mut bytes) = (Vec::new(), 0);
    while events.len() < EVENTS && bytes < BYTES {
        let Some(frame) = history.next()? else { break };
        bytes += frame.len() + 16;
        events.push(Carried { trace: None, committed_at: 0, frame });
    }
    Ok(events)
}

async fn give(bus: async_nats::Client, message: Vec<u8>) -> Result<u32> {
    let begun = Instant::now();
    let message = bytes::Bytes::from(message);
    loop {
        let request = async_nats::Request::new().payload(message.clone()).timeout(Some(PATIENCE));
        let why = match bus.send_request(LEDGER_APPLY, request).await {
            Err(error) => error.to_string(),
            Ok(answer) => {
                let reply: ApplyReply = decode(&answer.payload)?;
                match reply.error {
                    None => return Ok(reply.stored),
                    Some(why) => why,
                }
            }
        };
        if begun.elapsed() >= PATIENCE {
            bail!("the ledger does not take it: {why}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
