//! Cutting links: seen from both ends of a connection.

use std::time::Duration;

use lab::topology::Ports;
use lab::{CutMode, Lab};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{TestLab, central, infrastructure};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(5);

fn ports(lab: &Lab) -> Ports {
    let file = lab.file();
    Ports { base: file.port_base, centrals: u16::try_from(file.centrals.len()).unwrap() }
}

/// A lab of two whose second mesh is the test itself.
async fn lab_with_mesh(name: &str) -> (TestLab, TcpListener) {
    let lab = infrastructure(name, 2).await;
    let mesh = TcpListener::bind(("127.0.0.1", ports(&lab).mesh(central(2)))).await.unwrap();
    (lab, mesh)
}

async fn dial(lab: &Lab) -> TcpStream {
    TcpStream::connect(("127.0.0.1", ports(lab).link(central(1), central(2)))).await.unwrap()
}

async fn pair(lab: &Lab, mesh: &TcpListener) -> (TcpStream, TcpStream) {
    let near = dial(lab).await;
    let (far, _) = timeout(LONG, mesh.accept()).await.unwrap().unwrap();
    (near, far)
}

async fn arrives(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    from.write_all(b"x").await.unwrap();
    let mut byte = [0];
    matches!(timeout(SHORT, to.read(&mut byte)).await, Ok(Ok(1)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_link_is_silent_and_delivers_what_waited_when_it_is_healed() {
    let (lab, mesh) = lab_with_mesh("drop").await;
    let (mut near, mut far) = pair(&lab, &mesh).await;
    assert!(arrives(&mut near, &mut far).await);
    assert!(arrives(&mut far, &mut near).await);

    lab.partition(central(1), central(2), CutMode::Drop, false).unwrap();
    assert!(!arrives(&mut near, &mut far).await);
    assert!(!arrives(&mut far, &mut near).await);
    assert_eq!(lab.file().cuts.len(), 2);

    lab.heal(Some((central(2), central(1)))).unwrap();
    let mut byte = [0];
    timeout(LONG, far.read_exact(&mut byte)).await.unwrap().unwrap();
    timeout(LONG, near.read_exact(&mut byte)).await.unwrap().unwrap();
    assert!(lab.file().cuts.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_over_a_dropped_link_hangs_and_one_that_was_given_up_is_not_put_through_later() {
    let (lab, mesh) = lab_with_mesh("hang").await;
    lab.partition(central(1), central(2), CutMode::Drop, false).unwrap();
    let given_up = dial(&lab).await;
    let mut patient = dial(&lab).await;
    patient.write_all(b"hello").await.unwrap();
    assert!(timeout(SHORT, mesh.accept()).await.is_err());
    drop(given_up);

    // The proxy hears of the hang-up before the heal.
    assert!(timeout(SHORT, mesh.accept()).await.is_err());
    lab.heal(None).unwrap();
    let (mut far, _) = timeout(LONG, mesh.accept()).await.unwrap().unwrap();
    let mut greeting = [0; 5];
    timeout(LONG, far.read_exact(&mut greeting)).await.unwrap().unwrap();
    assert_eq!(&greeting, b"hello");
    assert!(timeout(SHORT, mesh.accept()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_way_cut_stops_one_direction_only() {
    let (lab, mesh) = lab_with_mesh("one-way").await;
    let (mut near, mut far) = pair(&lab, &mesh).await;
    lab.partition(central(1), central(2), CutMode::Drop, true).unwrap();
    assert!(!arrives(&mut near, &mut far).await);
    assert!(arrives(&mut far, &mut near).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_link_breaks_connections_and_refuses_calls() {
    let (lab, mesh) = lab_with_mesh("reset").await;
    let (mut near, mut far) = pair(&lab, &mesh).await;
    lab.partition(central(1), central(2), CutMode::Reset, false).unwrap();
    for end in [&mut near, &mut far] {
        let error = timeout(LONG, end.read(&mut [0])).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    // The reset comes with the call or right after it.
    let call = async {
        let mut near = TcpStream::connect(("127.0.0.1", ports(&lab).link(central(1), central(2)))).await?;
        near.read(&mut [0]).await
    };
    let error = timeout(LONG, call).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_end_is_seen_at_the_other() {
    let (lab, mesh) = lab_with_mesh("close").await;
    let (near, mut far) = pair(&lab, &mesh).await;
    drop(near);
    assert_eq!(timeout(LONG, far.read(&mut [0])).await.unwrap().unwrap(), 0);
}
