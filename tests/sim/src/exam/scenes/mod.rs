//! The scenes, and the answers that the rules give.

mod entries;
mod exits;
mod money;
mod people;
mod rights;

use super::question::{Ctx, Question, Scene};
use super::want::Want;
use crate::chance::Chance;

type Next = fn(&Ctx<'_>) -> Option<Question>;

/// What was delivered late to a lane waits so long for its loop, ms.
const TIMEOUT_MS: i64 = 110_000;
/// Reads of a lane within this may be one passage, ms.
const BURST_MS: i64 = 8_100;

const ALL: [(&str, Next); 26] = [
    ("in here, out there", entries::in_here_out_there),
    ("one key, asked again", entries::asked_again),
    ("one key for two plates", entries::another_plate),
    ("the duplicate window ends", entries::window_ends),
    ("backs out", entries::backs_out),
    ("delivered late", entries::delivered_late),
    ("closed without a name", entries::closed_without_a_name),
    ("read twice by one camera", entries::read_twice),
    ("no entry known", exits::no_entry),
    ("another card", exits::another_card),
    ("a plate read wrong, the card is right", exits::card_is_right),
    ("no plate, a card", exits::no_plate_with_card),
    ("no plate, no card", exits::no_plate),
    ("reverses at the exit", exits::reverses),
    ("leaves twice", exits::leaves_twice),
    ("similar plates", exits::similar),
    ("what a stay costs", money::stay),
    ("what a stay costs, once more", money::stay),
    ("a lost card, a suggestion, a payment", money::lost_card),
    ("people act", people::act),
    ("blocked elsewhere", rights::blocked_elsewhere),
    ("a pass given elsewhere", rights::pass_given_elsewhere),
    ("a plate corrected after the exit", rights::corrected_after_the_exit),
    ("a card handed back", rights::card_handed_back),
    ("a lane is closed", rights::lane_closed),
    ("a range is given up", rights::range_given_up),
];

/// All of them, with what the seed drew for each.
pub(super) fn all(c: &mut Chance) -> Vec<Scene> {
    let scene = |(number, (name, next)): (usize, (&'static str, Next))| Scene {
        name,
        number,
        pause_ms: match name {
            // A vehicle without a plate may be the one that passed just before.
            // Nor may one that is read be taken for it.
            _ if name.starts_with("no plate") || name == "no entry known" => BURST_MS,
            // Nothing else may wait at the lane, nor have passed when what is delivered late did.
            "closed without a name" | "the duplicate window ends" | "delivered late" => TIMEOUT_MS,
            _ => 1,
        },
        pick: c.index(1 << 20),
        next,
    };
    ALL.into_iter().enumerate().map(scene).collect()
}

/// How the other central came by what this one wrote.
fn there(ctx: &Ctx<'_>) -> &'static str {
    if ctx.site.nodes[0] == ctx.site.nodes[1] { "LOCAL" } else { "SYNCED" }
}

/// An entry here that opens.
fn entry() -> Want {
    Want::opens("ENTRY").no_fee().status("PENDING", "LOCAL")
}
