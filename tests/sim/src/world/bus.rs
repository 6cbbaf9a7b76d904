//! A central's own bus, and the lives of its processes.

use bytes::Bytes;
use replication::clock::Measure;
use wire::bus::events::{ApplyLane, Fetched};
use wire::event::Frame;
use wire::id::CentralId;

use super::event::{Bus, Read};
use super::{Moment, Service, Step, Tick, World};
use crate::ledger::ApplyJob;

impl World {
    /// Sends on a central's bus: fast, in no promised order beyond the usual, sometimes lost.
    pub(crate) fn bus(&mut self, node: usize, to: Service, message: Bus) {
        let loss = if self.healed { 0 } else { self.plan.net.bus_loss };
        if self.chance.net.per_mille(loss) {
            return;
        }
        let life = self.nodes[node].life(to);
        let after = i64::from(self.chance.net.per_mille(200));
        self.at(after, Moment::Bus { node, to, life, message: Box::new(message) });
    }

    /// Asks the ledger for a read.
    pub(super) fn ask(&mut self, node: usize, by: Service, request: u64, read: Read, limit: i64) {
        self.bus(node, Service::Ledger, Bus::Read { by, request, read });
        let life = self.nodes[node].life(by);
        self.at(limit, Moment::Timeout { node, service: by, life, request });
    }

    /// Asks the ledger to store events: it reads them, as production does on receipt.
    #[expect(clippy::too_many_arguments, reason = "one request of the bus")]
    pub(super) fn apply(
        &mut self,
        node: usize,
        by: Service,
        request: u64,
        from: &CentralId,
        frames: Vec<Bytes>,
        lane: ApplyLane,
        limit: i64,
    ) -> Step {
        let release = self.nodes[node].release;
        let mut events = Vec::with_capacity(frames.len());
        let mut refused = 0;
        for f in frames {
            match Frame::parse(f) {
                Ok(frame) => events.push(release.arrived(frame)),
                Err(_) => refused += 1,
            }
        }
        let job = ApplyJob { by, request, from: from.clone(), events, refused };
        self.bus(node, Service::Ledger, Bus::Apply(Box::new(job), lane));
        let life = self.nodes[node].life(by);
        self.at(limit, Moment::Timeout { node, service: by, life, request });
        Ok(())
    }

    /// While a machine is paused, what arrives waits. True when it waits.
    pub(super) fn hold(&mut self, node: usize, moment: impl FnOnce() -> Moment) -> bool {
        let until = self.nodes[node].paused_to;
        if until <= self.now {
            return false;
        }
        let after = until - self.now;
        let m = moment();
        self.at(after, m);
        true
    }

    pub(super) fn on_bus(&mut self, node: usize, to: Service, life: u64, message: Bus) -> Step {
        if self.nodes[node].paused_to > self.now {
            let after = self.nodes[node].paused_to - self.now;
            self.at(after, Moment::Bus { node, to, life, message: Box::new(message) });
            return Ok(());
        }
        if !self.nodes[node].lives(to, life) {
            return Ok(());
        }
        match (to, message) {
            (Service::Ledger, Bus::Command(job)) => self.take_command(node, *job),
            (Service::Ledger, Bus::Apply(job, lane)) => self.take_apply(node, *job, lane),
            (Service::Ledger, Bus::Read { by, request, read }) => {
                self.read(node, by, request, &read);
                Ok(())
            }
            (Service::Ledger, Bus::MeshState(state)) => {
                if let Some(l) = &mut self.nodes[node].ledger {
                    l.measure = state.clock.map(|m| Measure {
                        offset_ms: m.offset_ms,
                        peers: m.peers,
                        anchor_ms: m.anchor_ms,
                    });
                }
                Ok(())
            }
            (Service::Ledger, Bus::SyncState(catching_up)) => {
                if let Some(l) = &mut self.nodes[node].ledger {
                    l.catching_up = catching_up;
                }
                Ok(())
            }
            (Service::Mesh, Bus::Committed(events)) => self.send_committed(node, events),
            (Service::Mesh, Bus::ToPeer(m)) => self.send_for_sync(node, m),
            (Service::Mesh, Bus::Lookup(tag, command)) => self.look_up(node, tag, command),
            (Service::Mesh, Bus::Applied { request, reply }) => self.mesh_applied(node, request, reply),
            (Service::Mesh, Bus::Fetched { request, fetched }) => match fetched {
                Fetched::Events { frames, .. } => {
                    let frames = super::sync::parse(frames)?;
                    self.plate_read(node, request, &frames)
                }
                _ => self.mesh_timeout(node, request),
            },
            (Service::Sync, message) => self.sync_told(node, message),
            (_, _) => Ok(()),
        }
    }

    /// A read of the store: what is committed now, if the database is there.
    fn read(&mut self, node: usize, by: Service, request: u64, read: &Read) {
        let pages = self.plan.map_streams as usize;
        let most = self.plan.page_events as u64;
        let n = &self.nodes[node];
        let fetched = if !n.has_database(self.now) {
            Fetched::Unavailable("no database".to_owned())
        } else {
            match read {
                Read::Holdings(after) => {
                    let (streams, more) = n.store.streams.page(after.as_ref(), pages);
                    Fetched::Holdings { streams, more }
                }
                Read::Ranges(ranges, max) => {
                    let (frames, more) = n.store.ranges(ranges, (*max).min(most));
                    let frames = frames.iter().map(|f| f.bytes().to_vec().into()).collect();
                    Fetched::Events { frames, more }
                }
                Read::Plate(tag) => {
                    let frames = n.store.plate(*tag, 500);
                    let frames = frames.iter().map(|f| f.bytes().to_vec().into()).collect();
                    Fetched::Events { frames, more: false }
                }
            }
        };
        self.bus(node, by, Bus::Fetched { request, fetched });
    }

    pub(super) fn on_timeout(&mut self, node: usize, service: Service, life: u64, request: u64) -> Step {
        if !self.nodes[node].lives(service, life) {
            return Ok(());
        }
        if self.hold(node, || Moment::Timeout { node, service, life, request }) {
            return Ok(());
        }
        match service {
            Service::Mesh => self.mesh_timeout(node, request),
            Service::Sync => self.sync_timeout(node, request),
            Service::Ledger => Ok(()),
        }
    }

    pub(super) fn on_tick(&mut self, node: usize, life: u64, tick: Tick) -> Step {
        let service = match tick {
            Tick::Sweep => Service::Ledger,
            Tick::Mesh => Service::Mesh,
            Tick::Sync => Service::Sync,
        };
        if !self.nodes[node].lives(service, life) {
            return Ok(());
        }
        if self.hold(node, || Moment::Tick { node, life, tick }) {
            return Ok(());
        }
        match tick {
            Tick::Sweep => self.sweep_tick(node, life),
            Tick::Mesh => self.mesh_tick(node),
            Tick::Sync => self.sync_tick(node),
        }
    }

    pub(super) fn on_start(&mut self, node: usize, service: Service) -> Step {
        let n = &mut self.nodes[node];
        if n.gone || !n.on {
            return Ok(());
        }
        let running = match service {
            Service::Ledger => n.ledger.is_some(),
            Service::Mesh => n.mesh.is_some(),
            Service::Sync => n.sync.is_some(),
        };
        if running {
            return Ok(());
        }
        n.lives[service as usize] += 1;
        self.say(|| format!("node {node}: {service:?} starts"));
        self.trouble(node, self.now + 500);
        match service {
            Service::Ledger => self.start_ledger(node),
            Service::Mesh => self.start_mesh(node),
            Service::Sync => self.start_sync(node),
        }
    }

    /// Kills a process: its memory is gone. What its transaction in flight became is decided by chance.
    pub(super) fn kill(&mut self, node: usize, service: Service) -> Step {
        self.say(|| format!("node {node}: {service:?} is killed"));
        match service {
            Service::Ledger => {
                self.unknown_outcome(node, false)?;
                self.nodes[node].ledger = None;
            }
            Service::Mesh => {
                let share = self.plan.net.reset;
                let ends: Vec<(usize, usize)> = self.live_ends(node);
                // Gone before its links end: nothing of it is left to dial again.
                self.nodes[node].mesh = None;
                for (link, end) in ends {
                    let told = self.chance.fault.per_mille(share);
                    self.vanish(link, end, told)?;
                }
            }
            Service::Sync => self.nodes[node].sync = None,
        }
        Ok(())
    }
}
