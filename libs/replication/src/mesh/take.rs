//! What a peer says.

use bytes::Bytes;
use wire::mesh::{BadMessage, Message};

use super::Mesh;
use super::event::{LinkId, Note, Now, Output};
use super::link::Phase;

impl Mesh {
    /// A message came on a link; `bytes` are what it was read from.
    pub fn received(&mut self, now: Now, link: LinkId, message: Message, bytes: &Bytes) {
        let Some(l) = self.links.get_mut(&link) else { return };
        l.heard(now);
        match (l.phase, message) {
            (Phase::Closed, _) => {}
            (_, Message::Bye(reason)) => self.bye(now, link, &reason),
            (Phase::Greeting, Message::Hello(hello)) => self.greeted(now, link, &hello),
            // Nothing counts before HELLO, and a second HELLO says nothing new.
            (Phase::Greeting | Phase::Checked, _) | (_, Message::Hello(_)) => {}
            (Phase::Answered, message) => {
                // The dialler judged our HELLO too, and goes on.
                self.up(now, link);
                self.take(now, link, message, bytes);
            }
            (Phase::Up | Phase::Draining, message) => self.take(now, link, message, bytes),
        }
    }

    fn bye(&mut self, now: Now, link: LinkId, reason: &str) {
        let short: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
        let Some(l) = self.links.get(&link) else { return };
        if l.is_greeting() {
            self.end_greeting(now, link, true, &format!("hello: the peer refuses us: {short}"));
            if let Some(l) = self.links.get_mut(&link) {
                l.phase = Phase::Closed;
            }
        }
        self.close(now, link, &format!("the peer ended the link: {short}"));
    }

    fn take(&mut self, now: Now, link: LinkId, message: Message, bytes: &Bytes) {
        let Some(l) = self.links.get(&link) else { return };
        let (Some(peer), test) = (l.peer.clone(), l.opened.test) else { return };
        match message {
            Message::Heartbeat(beat) => self.beat_came(now, link, &beat),
            Message::Beat(beat) => self.compact_beat_came(now, link, &beat),
            _ if test => {}
            Message::Events(events) => self.events_came(&peer, events),
            Message::Positions(_)
            | Message::SyncRequest(_)
            | Message::SyncResponse(_)
            | Message::AuditDigests(_)
            | Message::AuditQuestion(_)
            | Message::AuditAnswer(_)
            | Message::ReferenceHeld(_)
            | Message::ReferenceQuestion(_)
            | Message::ReferenceAnswer(_) => {
                self.outputs.push(Output::ToSync { from: peer, message: bytes.clone() });
            }
            Message::PlateQuestion(q) => self.question_came(link, q),
            Message::PlateAnswer(a) => self.answer_came(&peer, a),
            Message::Hello(_) | Message::Bye(_) => {}
        }
    }

    /// Something came that is no message of this version. It never costs the link: the next one would bring it again.
    pub fn unreadable(&mut self, now: Now, link: LinkId, why: &BadMessage) {
        let Some(l) = self.links.get_mut(&link) else { return };
        l.heard(now);
        if !std::mem::replace(&mut l.skipped, true) {
            let peer = l.peer.clone();
            self.note(Note::Skipped { peer, reason: why.to_string() });
        }
    }
}
