//! Who of the staff may do what.

use parking::decision::PinCheck::{self, NotChecked, Right, Throttled, Wrong};
use parking::reference::{Role, StaffList, StaffMember};
use wire::bus::command::{Command, SessionAction};

use crate::central::{Central, Request, act, entry_lane, exit_lane, open};

const P: &str = "29A-123.45";

fn list(role: Role, active: bool) -> Option<std::sync::Arc<StaffList>> {
    let (id, name, pin_hash) = ("s1".to_owned(), "An".to_owned(), String::new());
    StaffList::new(1, vec![StaffMember { id, name, role, pin_hash, active }]).map(Into::into)
}

fn with_pin(mut r: Request, with: &str) -> Request {
    if let Command::Open { pin, .. } | Command::Act { pin, .. } | Command::SetPolicy { pin, .. } =
        &mut r.command
    {
        *pin = Some(with.to_owned());
    }
    r
}

/// What a central says to an exit with nothing to find and somebody of the staff: recorded, or the code.
fn exit(role: Option<(Role, bool)>, pin: &str, check: PinCheck) -> Result<Vec<String>, (u16, String)> {
    let mut c = Central::new(1);
    c.reference.staff = role.and_then(|(role, active)| list(role, active));
    c.pin = check;
    match c.tell(&with_pin(open(exit_lane(), 0, P).staff(None), pin)) {
        crate::central::Said::Refused(p) => Err((p.status, p.code)),
        said => {
            let d = said.decision();
            assert!(d.recorded);
            Ok(d.session.unwrap().flags)
        }
    }
}

#[test]
fn without_a_list_everybody_is_taken_and_marked() {
    for check in [NotChecked, Wrong] {
        assert!(exit(None, "", check).unwrap().contains(&"staff_unverified".to_owned()));
    }
}

#[test]
fn on_a_list_the_pin_decides() {
    let (an, gone) = (Some((Role::Attendant, true)), Some((Role::Attendant, false)));
    assert!(!exit(an, "1", Right).unwrap().contains(&"staff_unverified".to_owned()));
    for (who, pin, check, status, code) in [
        (an, "", NotChecked, 422, "invalid_fields"),
        (gone, "", NotChecked, 422, "invalid_fields"),
        (gone, "1", NotChecked, 403, "unknown_staff"),
        (an, "1", Wrong, 403, "wrong_pin"),
        (an, "1", Throttled { retry_after_s: 9 }, 429, "pin_throttled"),
        (an, "1", NotChecked, 503, "busy"),
    ] {
        assert_eq!(exit(who, pin, check).unwrap_err(), (status, code.to_owned()), "{pin} {check:?}");
    }
}

#[test]
fn each_act_needs_its_role() {
    let acts = |id: &str| {
        let policy = Command::SetPolicy {
            version: None,
            duplicate_window_ms: 1,
            valid_from: 0,
            staff_id: "s1".into(),
            pin: None,
            reason: "because".into(),
        };
        let waived = act(0, id, SessionAction::Waive { amount: 1 });
        [
            (Role::Attendant, act(0, id, SessionAction::CorrectPlate { plate: "29A-123.46".into() })),
            (Role::Supervisor, act(0, id, SessionAction::Price { fee: 1 })),
            (Role::Supervisor, act(0, id, SessionAction::Void)),
            (Role::Supervisor, act(0, id, SessionAction::Reopen)),
            (Role::Supervisor, act(0, id, SessionAction::SoftClose)),
            (Role::Operator, Request { command: policy, ..waived }),
        ]
    };
    for role in [Role::Attendant, Role::Supervisor, Role::Operator] {
        let mut c = Central::new(1);
        let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
        c.reference.staff = list(role, true);
        c.pin = Right;
        for (needed, request) in acts(&id) {
            let said = c.tell(&with_pin(request, "1"));
            let may = role >= needed;
            match said {
                crate::central::Said::Refused(p) => {
                    assert!(!may, "{role:?}: {p:?}");
                    assert_eq!((p.status, p.code.as_str()), (403, "role_insufficient"));
                    assert!(p.detail.contains(needed.as_str()), "{p:?}");
                }
                _ => assert!(may, "{role:?} did what {needed:?} may"),
            }
        }
    }
}

#[test]
fn a_late_delivery_is_recorded_whoever_it_was() {
    let mut c = Central::new(1);
    c.reference.staff = list(Role::Attendant, false);
    c.pin = Wrong;
    let late = open(exit_lane(), 0, P).staff(None).seen(|s| {
        s.sent_at = Some(crate::log::T0);
        s.captured_at = Some(crate::log::T0 - 3_600_000);
    });
    let d = c.tell(&with_pin(late, "1")).decision();
    assert_eq!((d.recorded, d.reason.as_str()), (true, "late_delivery"));
    assert!(d.session.unwrap().flags.contains(&"staff_unverified".to_owned()));
}

#[test]
fn a_late_delivery_is_recorded_though_nobody_said_why() {
    let mut c = Central::new(1);
    c.reference.staff = list(Role::Attendant, true);
    c.pin = Right;
    let mut late = open(exit_lane(), 0, P).staff(None).seen(|s| {
        s.sent_at = Some(crate::log::T0);
        s.captured_at = Some(crate::log::T0 - 3_600_000);
    });
    if let Command::Open { reason, .. } = &mut late.command {
        *reason = Some("  ".to_owned());
    }
    let d = c.tell(&with_pin(late, "1")).decision();
    assert_eq!((d.recorded, d.reason.as_str()), (true, "late_delivery"));
    assert!(d.session.unwrap().flags.contains(&"staff_unverified".to_owned()));
}
