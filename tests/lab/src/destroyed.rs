//! What only a destroyed disk held: the one thing that may be missing afterwards, written down exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use replication::positions::{Positions, missing};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use wire::event::Kind;
use wire::hash::Hash32;
use wire::id::Incarnation;
use wire::position::{SeqRange, StreamHoldings, StreamId};

use crate::layout::Layout;
use crate::process::{ProcessRef, Signal};
use crate::running::{Core, Lab};
use crate::topology::{CentralId, Instance, Service};

/// What is on the wire when the programs end may still arrive elsewhere for this long.
const ARRIVING: Duration = Duration::from_millis(500);

/// An event as a client can name it: its kind and the session's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Destroyed {
    /// `VEHICLE_EXIT`, …
    pub kind: String,
    /// The session.
    pub event_id: String,
}

/// Everything this lab has destroyed so far.
///
/// # Errors
/// When the list cannot be read.
pub fn so_far(layout: &Layout) -> Result<BTreeSet<Destroyed>> {
    match std::fs::read_to_string(layout.destroyed()) {
        Ok(text) => text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(error).context("cannot read what was destroyed"),
    }
}

impl Lab {
    /// Writes down what no other central's disk holds, just before a disk is destroyed. Nothing is appended there any more when
    /// this returns: the ledger is ended, or frozen when its services go on.
    pub(crate) async fn note_destroyed(&self, central: CentralId) -> Result<usize> {
        sleep(ARRIVING).await;
        let core = self.core.clone();
        tokio::task::spawn_blocking(move || core.write_destroyed(central)).await?
    }

    /// Freezes the ledger of a central while `work` runs: nothing is acknowledged meanwhile.
    pub(crate) async fn with_ledger_frozen<T>(
        &self,
        central: CentralId,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let ledger: Vec<ProcessRef> =
            self.core.service(central.into(), Service::Ledger).process.into_iter().collect();
        let tell = |signal: Signal| {
            let ledger = ledger.clone();
            tokio::task::spawn_blocking(move || crate::process::signal(&ledger, &signal))
        };
        tell(Signal::stop()).await??;
        let done = work.await;
        tell(Signal::resume()).await??;
        done
    }
}

impl Core {
    fn write_destroyed(&self, central: CentralId) -> Result<usize> {
        let of = Instance::of(central);
        let Ok((here, numbers)) = self.map_of(of) else {
            // Its Postgres does not run: nobody can say, and nothing is excused.
            return Ok(0);
        };
        let mut elsewhere = Positions::new();
        let others: Vec<Instance> =
            self.file().everything().map(|(other, _)| other).filter(|other| *other != of).collect();
        for other in others {
            // What does not run keeps its disk; not counting it only excuses what is found later anyway.
            if let Ok((map, _)) = self.map_of(other) {
                elsewhere.merge(&map);
            }
        }
        let mut lost = Vec::new();
        for range in missing(&here, &elsewhere) {
            if let Some(number) = numbers.get(&range.stream) {
                lost.extend(self.names_of(of, *number, &range)?);
            }
        }
        let mut list = File::options().create(true).append(true).open(self.layout.destroyed())?;
        for one in &lost {
            writeln!(list, "{}", serde_json::to_string(one)?)?;
        }
        Ok(lost.len())
    }

    fn map_of(&self, of: Instance) -> Result<(Positions, BTreeMap<StreamId, i64>)> {
        let mut numbers = BTreeMap::new();
        let mut map = Positions::new();
        let rows = self
            .sql(of, "select id, central, incarnation, head, encode(head_hash, 'hex'), gaps from streams")?;
        for row in rows {
            let [id, central, incarnation, head, hash, gaps] = row.as_slice() else { continue };
            let stream = StreamId {
                central: wire::id::CentralId::new(central)?,
                incarnation: Incarnation(u128::from_str_radix(&incarnation.replace('-', ""), 16)?),
            };
            numbers.insert(stream.clone(), id.parse()?);
            map.set(StreamHoldings {
                stream,
                head: head.parse()?,
                head_hash: hash.parse::<Hash32>().unwrap_or_default(),
                gaps: serde_json::from_str(gaps)?,
                forks: Vec::new(),
            });
        }
        Ok((map, numbers))
    }

    fn names_of(&self, of: Instance, stream: i64, range: &SeqRange) -> Result<Vec<Destroyed>> {
        let rows = self.sql(
            of,
            &format!(
                "select e.kind, h.event_id from events e
                 join events o on o.stream = coalesce(e.opening_stream, e.stream)
                              and o.seq = coalesce(e.opening_seq, e.seq) and o.branch = 0
                 join streams s on s.id = o.stream
                 join history h on h.plate_tag = o.plate_tag and h.source_central = s.central
                               and h.event_id like s.central || '\\_' || o.occurred_at || '\\_%'
                 where e.stream = {stream} and e.seq between {} and {}",
                range.from, range.to
            ),
        )?;
        let named = rows.into_iter().filter_map(|row| {
            let [kind, event_id] = row.as_slice() else { return None };
            let kind = Kind::from_code(kind.parse().ok()?).name().to_owned();
            Some(Destroyed { kind, event_id: event_id.clone() })
        });
        Ok(named.collect())
    }

    /// Rows of a statement, as text. Blocks the thread.
    pub(crate) fn sql(&self, of: Instance, statement: &str) -> Result<Vec<Vec<String>>> {
        let port = self.settings.ports().postgres(of);
        self.postgres.query(port, &self.settings.superuser_password, statement)
    }
}
