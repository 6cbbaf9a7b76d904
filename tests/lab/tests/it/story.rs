//! The story that must always work.

use lab::scenario;

use crate::support::{assert_passed, lab, traffic};

#[tokio::test(flavor = "multi_thread")]
async fn a_car_enters_at_one_central_leaves_at_another_and_all_agree() {
    let lab = lab("story", 5).await;
    scenario::tell(&lab.file()).await.unwrap();
    let report = traffic(&lab, 60.0, 5.0).await;
    assert_passed(&report);
    assert_eq!(report.maybe, 0, "nothing was broken, so everything is answered: {}", report.render());
}
