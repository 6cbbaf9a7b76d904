//! `GET /api/parking/policies`

use parking::history::{BUILT_IN_VERSION, Offsets, Policies, in_rank};
use wire::event::{Body, PolicyRule};
use wire::http::{PolicyList, PolicyView};

use super::{NoAnswer, Reader, rules};

/// Every policy that was set, and the built-in one.
pub(super) async fn list(reader: &Reader) -> Result<PolicyList, NoAnswer> {
    let mut conn = reader.pool.acquire().await?;
    let facts = rules(&mut conn).await?;
    let offsets = Offsets::of(&facts);
    let view = reader.shared.view();
    let now = kit::clock::now_ms().saturating_sub(reader.shared.clock_offset_ms());
    let mut items: Vec<PolicyView> = Vec::new();
    let mut judged = false;
    for fact in in_rank(&facts, &offsets).into_iter().rev() {
        let Some(Body::PolicySet(set)) = fact.body.as_deref() else { continue };
        let mut item = view.policy(set, offsets.occurred_at(fact), Some(fact.position()));
        item.in_force = !judged && set.valid_from <= now;
        judged |= item.in_force;
        items.push(item);
    }
    items.push(PolicyView {
        version: BUILT_IN_VERSION,
        duplicate_window_ms: PolicyRule::default().duplicate_window_ms,
        valid_from: None,
        set_at: None,
        central: None,
        position: None,
        staff_id: None,
        reason: None,
        in_force: !judged,
    });
    debug_assert_eq!(
        items.iter().find(|p| p.in_force).map(|p| p.version),
        Some(Policies::of(&facts).at(now).0)
    );
    Ok(PolicyList { items })
}
