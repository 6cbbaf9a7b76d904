//! The end of a run: no faults any more, and people help where they must.

use crate::event::Central;
use crate::member::Message;
use crate::seen::Fault;

use super::World;

impl World {
    /// No faults any more: what can be sealed is sealed everywhere.
    pub(super) fn calm(&mut self) -> Result<(), Fault> {
        for id in self.wanted.clone() {
            self.configure(id);
        }
        let before = self.members.values().map(|m| m.memory.chain().len()).max().unwrap_or(0);
        for round in 0..3 {
            for id in self.wanted.clone() {
                self.passage(id);
            }
            self.quiet()?;
            let chains = self.chains();
            if chains.len() == 1 && chains.iter().all(|c| c.len() > before.max(1)) {
                return Ok(());
            }
            let stuck = self.wanted.iter().any(|c| self.members[c].is_blocked());
            if !stuck && chains.len() > 1 {
                let text = format!("round {round}: nobody is blocked, and seals are not the same everywhere");
                return Err(Fault::Stuck(text));
            }
            if stuck && !self.help() {
                // Nobody can tell any more which of them it was.
                return Ok(());
            }
        }
        if self.nothing_to_seal() {
            Ok(())
        } else {
            Err(Fault::Stuck("nothing is sealed although nothing is wrong".to_owned()))
        }
    }

    /// Everything is exchanged, said and answered, until nothing changes.
    fn quiet(&mut self) -> Result<(), Fault> {
        for round in 0..40 {
            let members: Vec<Central> = self.wanted.iter().copied().collect();
            for from in &members {
                for to in members.iter().filter(|c| *c != from) {
                    let some = self.lacks(*from, *to);
                    self.send(*from, *to, Message::Events(some));
                    self.drain();
                }
            }
            for id in &members {
                self.act(*id)?;
                self.drain();
                self.check()?;
            }
            if round % 10 == 5 {
                self.propose(members[0]);
            }
        }
        Ok(())
    }

    fn drain(&mut self) {
        while !self.under_way.is_empty() {
            let letter = self.under_way.remove(0);
            self.arrive(&letter);
        }
    }

    /// What people do about two contents: who has not applied the next seal is taken out and put back, one after the other. False
    /// where that does not help.
    fn help(&mut self) -> bool {
        self.seen.saw("people had to help");
        let longest = self.wanted.iter().map(|c| self.members[c].memory.chain().len()).max().unwrap_or(0);
        let behind: Vec<Central> =
            self.wanted.iter().copied().filter(|c| self.members[c].memory.chain().len() < longest).collect();
        let out = if behind.is_empty() {
            self.wanted.iter().copied().next_back().into_iter().collect()
        } else {
            behind
        };
        for id in &out {
            self.take_out(*id);
        }
        for id in self.wanted.clone() {
            self.configure(id);
        }
        if self.quiet().is_err() || self.chains().len() != 1 {
            return false;
        }
        for id in out {
            self.put_back(id);
            for id in self.wanted.clone() {
                self.configure(id);
            }
            if self.quiet().is_err() || self.chains().len() != 1 {
                return false;
            }
        }
        true
    }

    /// True where nobody can say any more what the next seal would be: somebody is bound to a content that is not held any more.
    fn nothing_to_seal(&self) -> bool {
        let held = |c: &Central| {
            let m = &self.members[c];
            let binding = m.binding(m.memory.next_number());
            binding.is_empty() || binding.values().any(|content| m.memory.is_exactly(content))
        };
        !self.wanted.iter().all(held)
    }
}
