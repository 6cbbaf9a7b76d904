//! Who, of the staff, stands behind a command.

use wire::event::StaffFact;
use wire::http::Problem;

use super::problems;
use super::state::Site;

/// Flag of what was done while no staff list was there to check the id against.
pub(super) const UNVERIFIED: &str = "staff_unverified";

/// A staff member and their reason.
#[derive(Debug, Clone)]
pub(super) struct Staff {
    pub(super) fact: StaffFact,
    /// On the list. The PIN is checked by the caller: it takes a slow hash.
    pub(super) verified: bool,
}

impl Staff {
    /// None without a staff id.
    pub(super) fn of(
        id: Option<&str>,
        reason: Option<&str>,
        site: &Site<'_>,
    ) -> Result<Option<Self>, Box<Problem>> {
        let Some(id) = id.map(str::trim).filter(|s| !s.is_empty()) else { return Ok(None) };
        let Some(reason) = reason.map(str::trim).filter(|s| !s.is_empty()) else {
            return Err(Box::new(Problem::field(
                "missing",
                "/reason",
                "must say why, together with staff_id",
            )));
        };
        let verified = match &site.reference.staff {
            Some(list) if list.active(id).is_none() => {
                return Err(Box::new(problems::unknown_staff()));
            }
            list => list.is_some(),
        };
        Ok(Some(Self { fact: StaffFact { id: id.to_owned(), reason: reason.to_owned() }, verified }))
    }
}
