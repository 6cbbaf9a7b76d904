//! Healing, rest, and what must be true then.

use wire::event::Frame;

use super::{Moment, Service, Step, World};
use crate::check::{Truth, Violation, difference};
use crate::sometimes::Rare;
use crate::store::Store;

/// A passage that waits for its loop is ended by its time-out after so long; before that the world is not at rest.
const SETTLE_MS: i64 = 100_000;

impl World {
    /// Every fault ends: the network is whole, every machine is on, every configuration as planned.
    pub(super) fn on_heal(&mut self) -> Step {
        self.say(|| "HEAL".to_owned());
        self.healed = true;
        self.blocked.clear();
        self.slow.clear();
        for node in 0..self.plan.nodes {
            let peers: Vec<_> = self.plan.peers[node].iter().map(|p| super::node::central(*p)).collect();
            // What is on its way was sent before.
            self.trouble(node, self.now + 2_000);
            let n = &mut self.nodes[node];
            n.kill_at = None;
            n.no_database_to = 0;
            (n.disk_full_to, n.slow_disk_to) = (0, 0);
            n.paused_to = n.paused_to.min(self.now);
            for p in peers {
                n.peers.insert(p, true);
            }
            let old = n.release.old;
            if old {
                self.change_release(node, false)?;
            }
            self.reconfigure(node)?;
            if !self.nodes[node].on {
                self.power_on(node);
            }
            for (i, service) in [Service::Ledger, Service::Mesh, Service::Sync].into_iter().enumerate() {
                // Whatever a planned kill left down.
                self.at(1_000 + i as i64, Moment::Start { node, service });
            }
        }
        Ok(())
    }

    /// True when nothing is under way and every disk holds the same.
    pub(super) fn at_rest(&mut self) -> bool {
        let since = self.now - self.plan.span_ms - 5_000;
        if since < 5_000 || self.traffic.is_busy() || self.exam.is_going_on() {
            return false;
        }
        // What was sent while a link was slow may hold up all behind it for minutes, until silence ends the link.
        if self.links.iter().flat_map(|l| &l.ends).any(|e| e.open && e.last_at > self.now + 1_000) {
            return false;
        }
        let frames: Vec<Frame> = self.erasures.clone();
        let copies = self.nodes.iter().skip(self.plan.nodes).any(|n| !n.gone);
        let quiet =
            self.disks_agree() && (0..self.nodes.len()).all(|n| self.nodes[n].gone || self.is_quiet(n));
        if !quiet {
            return false;
        }
        if copies {
            // The copies hold nothing that the others lack: they are taken away.
            for n in self.plan.nodes..self.nodes.len() {
                if self.destroy(n).is_err() {
                    return false;
                }
            }
            return false;
        }
        let mut missing = false;
        for f in &frames {
            for n in 0..self.plan.nodes {
                let e = self.nodes[n].store.event(&f.header().position, f.hash());
                if e.is_some_and(|e| !e.frame.is_erased()) {
                    self.apply_frame(n, f);
                    missing = true;
                }
            }
        }
        let waiting = self.nodes.iter().any(|n| !n.gone && n.store.rows.waiting().next().is_some());
        !missing && (since >= SETTLE_MS || !waiting && since >= 10_000) && self.rows_agree()
    }

    fn is_quiet(&self, node: usize) -> bool {
        let n = &self.nodes[node];
        let idle = n
            .ledger
            .as_ref()
            .is_some_and(|l| l.state.is_some() && l.round.is_none() && l.queue.is_idle() && l.anew.is_none());
        let idle = idle && n.store.behind.is_none();
        idle && self.is_settled(node) && n.store.rows.due(n.clock.shows(self.now), 1).is_empty()
    }

    fn disks_agree(&self) -> bool {
        let mut live = self.nodes.iter().filter(|n| !n.gone);
        let Some(first) = live.next() else { return false };
        live.all(|n| n.store.len() == first.store.len() && n.store.streams == first.store.streams)
    }

    fn rows_agree(&self) -> bool {
        let Some(first) = self.nodes.first() else { return false };
        let digest = first.store.rows.digest();
        self.nodes.iter().take(self.plan.nodes).all(|n| n.store.rows.digest() == digest)
    }

    /// Why the world does not come to rest.
    pub(super) fn why_not_at_rest(&self) -> String {
        let mut why: Vec<String> = Vec::new();
        if self.traffic.is_busy() {
            why.push("a lane still waits".to_owned());
        }
        for (i, n) in self.nodes.iter().enumerate().filter(|(_, n)| !n.gone) {
            let digest = n.store.rows.digest().to_string();
            let state = n.ledger.as_ref().map(|l| (l.state.is_some(), l.round.is_some(), l.queue.is_idle()));
            why.push(format!(
                "node {i}: {} events, {} linked, quiet {}, ledger {state:?}, due {:?}, rows {}, map {}",
                n.store.len(),
                self.linked(i),
                self.is_quiet(i),
                n.store.rows.due(n.clock.shows(self.now), 3).len(),
                &digest[..8],
                &n.store.streams.digest().to_string()[..8],
            ));
            if let Some(first) = self.nodes.first() {
                let other = |r: &&crate::store::StoredRow| {
                    n.store.rows.named(&r.row.event_id).is_none_or(|s| s.hash != r.hash)
                };
                let rows = first.store.rows.history().filter(other).take(1);
                why.extend(rows.map(|r| {
                    let here = n.store.rows.named(&r.row.event_id).map(|s| &s.row);
                    difference(&Some(&r.row), &here) + &n.store.story(r.row.plate_tag)
                }));
            }
            let due = n.store.rows.due(n.clock.shows(self.now), 1);
            why.extend(due.into_iter().map(|tag| n.store.story(tag)));
        }
        why.truncate(12);
        format!("not at rest after {} ms\n{}", self.now, why.join("\n"))
    }

    /// At rest: everything acknowledged is everywhere, rows are equal, and true.
    pub(super) fn check_rest(&mut self) -> Step {
        let stores: Vec<(usize, &Store)> =
            self.nodes.iter().take(self.plan.nodes).map(|n| (n.slot, &n.store)).collect();
        self.registry.check_everywhere(&stores)?;
        let Some((_, first)) = stores.first().copied() else { return Ok(()) };
        for (n, s) in &stores {
            if s.streams.digest() != first.streams.digest() {
                return Err(Violation::new("equal maps", format!("node {n} and node 0 differ")));
            }
            if s.rows.digest() != first.rows.digest() {
                return Err(Violation::new("equal rows", format!("node {n} and node 0 differ")));
            }
        }
        verify(first)?;
        for n in 0..self.plan.nodes {
            self.check_reload(n)?;
            self.check_memory(n)?;
            self.check_views(n)?;
            match self.nodes[n].to_heal {
                Some(true) => self.saw(Rare::RestoreHealed),
                Some(false) => self.saw(Rare::WipeHealed),
                None => {}
            }
        }
        let seen =
            Truth::of(&self.traffic, &self.registry, &self.nodes[0].store, self.clocks_disagreed).check()?;
        for what in seen {
            self.saw(what);
        }
        Ok(())
    }
}

/// Rebuilds history and conflicts from all events at once and compares (`ledger verify`).
fn verify(store: &Store) -> Step {
    let facts = store.facts();
    let fresh = parking::history::project(&facts, &parking::history::Policies::of(&store.policies()));
    let mut stored = store.rows.history();
    for row in {
        let mut rows: Vec<_> = fresh.rows.iter().collect();
        rows.sort_by(|a, b| a.event_id.cmp(&b.event_id));
        rows
    } {
        let Some(s) = stored.next() else {
            return Err(Violation::new("rows are the projection", format!("{} is not stored", row.event_id)));
        };
        if *s.row != *row {
            let (stored, fresh) = (format!("{:?}", s.row), format!("{row:?}"));
            let at = stored.bytes().zip(fresh.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(80);
            let end = |t: &str| t.chars().skip(at).take(200).collect::<String>();
            let what = format!(
                "{}: stored …{}… fresh …{}…{}",
                row.event_id,
                end(&stored),
                end(&fresh),
                store.story(row.plate_tag)
            );
            return Err(Violation::new("rows are the projection", what));
        }
    }
    if let Some(s) = stored.next() {
        return Err(Violation::new(
            "rows are the projection",
            format!("{} is stored, nothing makes it", s.row.event_id),
        ));
    }
    let fresh: Vec<_> = fresh.conflicts.iter().map(|c| (c.id, c.row_hash())).collect();
    let stored: Vec<_> = store.rows.conflicts().map(|c| (c.row.id, c.hash)).collect();
    if fresh != stored {
        return Err(Violation::new(
            "conflicts are the projection",
            format!("{} stored, {} fresh", stored.len(), fresh.len()),
        ));
    }
    Ok(())
}
