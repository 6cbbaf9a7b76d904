//! The register as people see it.

use wire::event::Body;
use wire::http::{
    HeldPassView, ListEntryView, OccupancyCorrectionView, PassbackModeView, PassbackView, RegisterView,
};
use wire::position::Position;

use super::pass::Held;
use super::passback::PassbackState;
use super::register::{Mode, Stands};
use crate::view::View;

/// When and where something was said.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// ms since the epoch.
    pub at: i64,
    /// The event; none before it is recorded.
    pub position: Option<&'a Position>,
}

impl<'a, T> From<&'a Stands<T>> for Said<'a> {
    fn from(stands: &'a Stands<T>) -> Self {
        Self { at: stands.at, position: Some(&stands.event.position) }
    }
}

impl View {
    fn central_of(&self, said: Said<'_>) -> String {
        said.position.map_or_else(|| self.central.to_string(), |p| p.stream.central.to_string())
    }

    /// What an event of the register says; none for any other event. Whether it is in force is told for the moment it was said.
    #[must_use]
    pub fn register(&self, body: &Body, at: i64, position: Option<&Position>) -> Option<RegisterView> {
        let said = Said { at, position };
        Some(match body {
            Body::ListEntrySet(entry) => RegisterView::ListEntry(self.list_entry(entry, said, at)),
            Body::PassSet(set) => RegisterView::Pass(self.pass_set(set, said, at)),
            Body::AntiPassbackMode(set) => RegisterView::Mode(PassbackModeView {
                lot_id: set.lot_id.clone(),
                pass: set.pass.clone(),
                mode: set.mode,
                staff_id: set.staff.id.clone(),
                reason: set.staff.reason.clone(),
                set_at: self.time(at),
                central: self.central_of(said),
            }),
            Body::AntiPassbackReset(reset) => RegisterView::Passback(PassbackView {
                credential: reset.credential.clone(),
                plate: reset.plate.as_ref().map(|p| p.display.clone()),
                state: PassbackState::Neutral.as_str().to_owned(),
                since: Some(self.time(at)),
                event_id: None,
            }),
            Body::OccupancyCorrected(corrected) => {
                RegisterView::Correction(self.occupancy_correction(corrected, said))
            }
            _ => return None,
        })
    }

    /// *ListEntry*; `now` decides whether it is in force.
    #[must_use]
    pub fn list_entry(&self, entry: &wire::event::ListEntry, said: Said<'_>, now: i64) -> ListEntryView {
        let from = entry.valid_from.is_none_or(|t| t <= now);
        let to = entry.valid_to.is_none_or(|t| now < t);
        ListEntryView {
            id: entry.id.clone(),
            kind: entry.kind,
            plate: entry.plate.display.clone(),
            plate_key: entry.plate.key.clone(),
            lots: entry.lots.clone(),
            valid_from: entry.valid_from.map(|t| self.time(t)),
            valid_to: entry.valid_to.map(|t| self.time(t)),
            ended: entry.ended,
            in_force: from && to && !entry.ended,
            staff_id: entry.staff.id.clone(),
            reason: entry.staff.reason.clone(),
            set_at: self.time(said.at),
            central: self.central_of(said),
        }
    }

    /// *Pass* given here; `now` decides whether it is in force.
    #[must_use]
    pub fn pass_set(&self, set: &wire::event::PassSet, said: Said<'_>, now: i64) -> HeldPassView {
        HeldPassView {
            id: set.id.clone(),
            plates: set.plates.iter().map(|p| p.key.clone()).collect(),
            vehicle_class: Some(set.vehicle_class.clone()),
            lots: set.lots.clone(),
            valid_from: self.time(set.valid_from),
            valid_to: Some(self.time(set.valid_to)),
            max_inside: set.max_inside,
            ended: set.ended,
            in_force: !set.ended && set.valid_from <= now && now < set.valid_to,
            origin: "given".to_owned(),
            version: None,
            staff_id: Some(set.staff.id.clone()),
            reason: Some(set.staff.reason.clone()),
            set_at: Some(self.time(said.at)),
            central: Some(self.central_of(said)),
        }
    }

    /// *Pass* of the external API.
    #[must_use]
    pub fn external_pass(&self, held: &Held<'_>, now: i64) -> HeldPassView {
        let pass = held.pass;
        HeldPassView {
            id: pass.id.clone(),
            plates: pass.plates.iter().map(ToString::to_string).collect(),
            vehicle_class: pass.vehicle_class.map(|c| c.to_string()),
            lots: pass.lots.clone(),
            valid_from: self.time(pass.valid_from),
            valid_to: pass.valid_to.map(|t| self.time(t)),
            max_inside: pass.max_inside,
            ended: false,
            in_force: held.is_valid(now),
            origin: "external".to_owned(),
            version: held.version,
            staff_id: None,
            reason: None,
            set_at: None,
            central: None,
        }
    }

    /// *PassbackMode* of a car park, or of a pass.
    #[must_use]
    pub fn passback_mode(
        &self,
        lot: Option<&str>,
        pass: Option<&str>,
        set: &Stands<Mode>,
    ) -> PassbackModeView {
        PassbackModeView {
            lot_id: lot.map(str::to_owned),
            pass: pass.map(str::to_owned),
            mode: set.said.mode,
            staff_id: set.said.staff.id.clone(),
            reason: set.said.staff.reason.clone(),
            set_at: self.time(set.at),
            central: self.central_of(set.into()),
        }
    }

    /// *OccupancyCorrection*.
    #[must_use]
    pub fn occupancy_correction(
        &self,
        corrected: &wire::event::OccupancyCorrected,
        said: Said<'_>,
    ) -> OccupancyCorrectionView {
        OccupancyCorrectionView {
            id: said.position.map(ToString::to_string).unwrap_or_default(),
            central: corrected.central.clone(),
            lot_id: corrected.lot_id.clone(),
            vehicle_class: corrected.vehicle_class.clone(),
            delta: corrected.delta,
            counted: corrected.counted,
            staff_id: corrected.staff.id.clone(),
            reason: corrected.staff.reason.clone(),
            set_at: self.time(said.at),
            recorded_by: self.central_of(said),
        }
    }
}
